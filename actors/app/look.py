"""One look at the real Polymarket: which of the assumptions about it hold today.

Asks each route once, opens one connection, subscribes a few tokens on it, and says of each
assumption `ok`, `differs: …` or `not seen …`. It stores nothing and takes `LONGEST_S` at most.
"""

import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from actors.app.factory import STOP_ACTOR_S, FeedDialler
from actors.config.settings import Config
from actors.errors import FeedLost, PayloadRejected, SourceUnavailable
from actors.feed.ports import Dialler, FeedSocket
from actors.feed.subscription import BOOK_MARKER, LIFECYCLE_MARKERS
from actors.model.assumptions import Assumption
from actors.model.conversion import terminal_safe
from actors.model.market import Market
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import channel, gamma, strict_json
from actors.polymarket import http as polymarket_http
from actors.polymarket.channel import Decoded
from actors.polymarket.client import Chain
from actors.transport.reactor import Reactor

LONGEST_S = 60.0
CALL_S = 5.0
"""Seconds that one HTTP call may take."""
FIRST_TOKENS, LATER_TOKENS = 20, 5
"""Tokens of the first subscription, and of the one after it. One may resolve meanwhile."""
PAGE = 100
BOOKS_S, ANSWER_S, TRADES_S = 10.0, 5.0, 15.0
"""Seconds to wait for the first books, for an answer to one subscription, for trades."""
ENOUGH_TRADES = 20
LATE_MS = 1_000
_YOUNG = "no tokens"
"""Why a market without tokens is rejected: it is a placeholder, which is nothing odd."""

Judgement = str
OK: Judgement = "ok"


class Finding(NamedTuple):
    """What was seen of one assumption."""

    name: str
    judgement: Judgement


class Http(Protocol):
    """What a look needs of `polymarket.http.Http`."""

    def get(self, url: str, params: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return the body of a 200."""


class Clock(Protocol):
    """What a look needs of `polymarket.date_clock.DateClock`."""

    @property
    def offset_s(self) -> float:
        """Return the servers' clock minus ours in seconds."""

    @property
    def is_known(self) -> bool:
        """Return whether there are enough answers to tell."""

    @property
    def is_wrong(self) -> bool:
        """Return whether our clock is wrong."""


class Inbox(Protocol):
    """Frames with their time of receipt (ns), or the reason of the end, from the reactor."""

    def put(self, item: "Arrival", /) -> None:
        """Add; in the reactor's thread."""

    def take(self, seconds: float) -> "Arrival | None":
        """Return the next, or None when there is none within so many seconds."""


Arrival = tuple[int, tuple[bytes, ...]] | str


class QueueInbox:
    """An inbox between two threads."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Arrival] = queue.SimpleQueue()

    def put(self, item: Arrival, /) -> None:
        """Add; in the reactor's thread."""
        self._queue.put(item)

    def take(self, seconds: float) -> Arrival | None:
        """Return the next, or None when there is none within so many seconds."""
        try:
            return self._queue.get(timeout=seconds)
        except queue.Empty:
            return None


class Urls(NamedTuple):
    """Where the sources are, without a slash at the end."""

    gamma: str
    clob: str
    data: str


class _Page(msgspec.Struct, frozen=True):
    markets: list[msgspec.Raw]
    next_cursor: str | None = None


class _Rows(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]


_page = msgspec.json.Decoder(_Page)
_rows = msgspec.json.Decoder(_Rows)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


# -------------------------------------------------------------------- sources


class SourcesLook:
    """Asks every route of the HTTP sources once.

    Attributes:
        markets: Open markets that were listed, the busiest first.
    """

    def __init__(self, http: Http, clock: Clock, urls: Urls) -> None:
        self._http = http
        self._clock = clock
        self._urls = urls
        self.markets: list[Market] = []

    def findings(self) -> Iterator[Finding]:
        """Ask, and yield what is seen of each assumption."""
        first, second, judgement = self._pages()
        yield Finding(Assumption.KEYSET, judgement)
        yield Finding(Assumption.CLEAN_PAGES, self._parse([*first, *second]))
        yield Finding(Assumption.GAMMA_LIST, self._about_one(self._gamma_list))
        yield Finding("clob", self._about_one(self._clob))
        yield Finding("data", self._about_one(self._data))
        yield Finding(Assumption.CLOCK, self._clock_judged())

    def _pages(self) -> tuple[list[msgspec.Raw], list[msgspec.Raw], Judgement]:
        """Return the markets of two pages, and whether the second was another one."""
        try:
            first = self._keyset()
            if not first.markets or not first.next_cursor:
                return first.markets, [], f"differs: {len(first.markets)} markets and no cursor"
            second = self._keyset(("after_cursor", first.next_cursor))
        except (SourceUnavailable, PayloadRejected) as exc:
            return [], [], f"differs: {exc}"
        # Trades between two pages move a few markets from one to the other, and most of them never.
        known = {gamma.condition_of(bytes(market)) for market in first.markets}
        again = sum(gamma.condition_of(bytes(market)) in known for market in second.markets)
        if again * 2 > len(second.markets):
            return first.markets, [], "differs: the cursor brings the first page again"
        return first.markets, second.markets, OK

    def _keyset(self, *cursor: tuple[str, str]) -> _Page:
        params = [("active", "true"), ("closed", "false"), ("limit", str(PAGE))]
        params += [("order", "volumeNum"), ("ascending", "false"), *cursor]
        return strict_json.read(self._http.get(f"{self._urls.gamma}/markets/keyset", params), _page)

    def _parse(self, raws: Sequence[msgspec.Raw]) -> Judgement:
        reasons: Counter[str] = Counter()
        found: dict[ConditionId, Market] = {}
        for raw in raws:
            try:
                market = gamma.parse_market(bytes(raw))
                found[market.condition_id] = market
            except PayloadRejected as exc:
                reasons[str(exc)] += 1
        self.markets = sorted(found.values(), key=lambda each: each.volume or 0, reverse=True)
        del reasons[_YOUNG]
        if not raws:
            return "not seen: no market was listed"
        odd = ", ".join(f"{count} times {reason}" for reason, count in reasons.most_common(3))
        return f"differs: of {len(raws)} markets {odd}" if odd else OK

    def _about_one(self, ask: Callable[[Market], Judgement]) -> Judgement:
        """Return what a route says of the busiest market."""
        if not self.markets:
            return "not seen: no market was listed"
        try:
            return ask(self.markets[0])
        except (SourceUnavailable, PayloadRejected) as exc:
            return f"differs: {exc}"

    def _gamma_list(self, market: Market) -> Judgement:
        params = [("condition_ids", str(market.condition_id)), ("closed", "false"), ("limit", "1")]
        found = strict_json.read(self._http.get(f"{self._urls.gamma}/markets", params), _list)
        return OK if found else "differs: it does not know a market that is listed"

    def _clob(self, market: Market) -> Judgement:
        raw = self._http.get(f"{self._urls.clob}/markets/{market.condition_id}")
        there = "tokens" in strict_json.read(raw, _object)
        return OK if there else "differs: a market without tokens"

    def _data(self, market: Market) -> Judgement:
        params = [("condition", str(market.condition_id))]
        strict_json.read(self._http.get(f"{self._urls.data}/v2/resolutions", params), _rows)
        return OK

    def _clock_judged(self) -> Judgement:
        # Three answers are needed, and listings may all come from a cache.
        for _ in range(2):
            if not self._clock.is_known:
                self._about_one(self._data)
        if not self._clock.is_known:
            return "not seen: too few answers that no cache gave"
        wrong = f"differs: ours is {-self._clock.offset_s:+.1f} s from theirs"
        return wrong if self._clock.is_wrong else OK


# ----------------------------------------------------------------------- feed


class FeedLook:
    """Opens one connection and looks at what it sends.

    Args:
        tokens: Of busy markets, the busiest first.
        offset_s: The servers' clock minus ours.
        until: Monotonic seconds at which the look ends, whatever is not seen yet.
    """

    def __init__(
        self,
        dialler: Dialler,
        tokens: Sequence[TokenId],
        *,
        inbox: Inbox,
        until: float,
        offset_s: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dialler = dialler
        self._first, self._later = tokens[:FIRST_TOKENS], tokens[FIRST_TOKENS:][:LATER_TOKENS]
        self._inbox = inbox
        self._until = until
        self._offset_ms = offset_s * 1e3
        self._monotonic = monotonic
        self._seen = Decoded()
        self._empty = self._late = 0
        self._ended = ""

    def findings(self) -> Iterator[Finding]:
        """Connect, subscribe, listen; yield what is seen of each assumption."""
        try:
            socket = self._dialler.dial(
                (*LIFECYCLE_MARKERS, BOOK_MARKER),
                lambda at_ns, frames: self._inbox.put((at_ns, frames)),
                lambda reason, detail: self._inbox.put(f"{reason} {detail}".strip()),
            )
        except FeedLost as exc:
            yield Finding("connection", f"differs: {exc}")
            return
        yield Finding("connection", OK)
        try:
            if self._first:
                yield from self._listen(socket)
        finally:
            socket.close(1000, "")

    def _listen(self, socket: FeedSocket) -> Iterator[Finding]:
        socket.send_text(channel.first_subscription(self._first, custom=False))
        waited = self._hear(socket, BOOKS_S, lambda: self._confirmed == len(self._first))
        yield Finding(Assumption.SERVED, self._served(waited))
        yield Finding(Assumption.DUMP_BY_DEFAULT, self._dumped_by_default(socket))
        yield Finding(Assumption.REPEATED_BOOK, self._repeated(socket))
        waited = self._hear(socket, TRADES_S, lambda: len(self._seen.trades) >= ENOUGH_TRADES)
        yield from self._trades(f"not seen in {waited:.0f} s")

    @property
    def _confirmed(self) -> int:
        return len({*self._first} & {*self._seen.books})

    def _hear(self, socket: FeedSocket, seconds: float, enough: Callable[[], bool]) -> float:
        """Take what arrives until it is enough or the time is over; return the seconds."""
        began = self._monotonic()
        end = min(began + seconds, self._until)
        while not enough() and not self._ended:
            left_s = end - self._monotonic()
            arrived = self._inbox.take(left_s) if left_s > 0 else None
            if arrived is None:
                break
            if isinstance(arrived, str):
                self._ended = arrived
            else:
                self._take(*arrived)
                socket.handled(sum(map(len, arrived[1])))
        return self._monotonic() - began

    def _take(self, at_ns: int, frames: tuple[bytes, ...]) -> None:
        decoded = channel.decode(frames, at_ns)
        self._seen += decoded
        self._empty += sum(frame.strip() == b"[]" for frame in frames)
        now_ms = at_ns / 1e6 + self._offset_ms
        self._late += sum(now_ms - trade.traded_at_ms > LATE_MS for trade in decoded.trades)

    def _served(self, waited_s: float) -> Judgement:
        if self._confirmed * 2 >= len(self._first):
            return OK
        why = f", then it ended: {self._ended}" if self._ended else ""
        return f"differs: {self._confirmed} of {len(self._first)} books in {waited_s:.0f} s{why}"

    def _dumped_by_default(self, socket: FeedSocket) -> Judgement:
        if self._ended or not self._later:
            return "not seen"
        # Not the message of `channel`, which may ask for books.
        asked = {"assets_ids": list(self._later), "operation": "subscribe"}
        socket.send_text(msgspec.json.encode(asked).decode())
        waited = self._hear(socket, ANSWER_S, self._is_dumped)
        return OK if self._is_dumped() else f"differs: no book in {waited:.0f} s"

    def _is_dumped(self) -> bool:
        return not {*self._later}.isdisjoint(self._seen.books)

    def _repeated(self, socket: FeedSocket) -> Judgement:
        """Subscribe a token again, and say how that is answered."""
        if self._ended or not self._confirmed:
            return "not seen"
        before = self._answers()
        socket.send_text(channel.subscription([self._seen.books[0]], custom=False))
        waited = self._hear(socket, ANSWER_S, lambda: self._answers() != before)
        books, texts, empty = self._answers()
        if books > before[0]:
            return OK
        if texts > before[1]:
            return f"differs: the answer is {self._seen.controls[-1]!r}"
        if empty > before[2]:
            return "differs: the answer is []"
        return f"differs: no answer in {waited:.0f} s"

    def _answers(self) -> tuple[int, int, int]:
        """Return how many books of the first confirmed token, texts and empty lists have come."""
        return self._seen.books.count(self._seen.books[0]), len(self._seen.controls), self._empty

    def _trades(self, unseen: Judgement) -> Iterator[Finding]:
        trades, unknown = len(self._seen.trades), Counter(self._seen.unknown)
        names = ", ".join(name for name, _ in unknown.most_common(5))
        yield Finding(Assumption.EVENT_NAMES, f"differs: unknown: {names}" if names else OK)
        odd = Counter(each.reason for each in self._seen.rejections)
        del odd[channel.UNKNOWN_KIND]  # these have a line of their own
        found = [f"{count} rejected: {reason}" for reason, count in odd.most_common(3)]
        if self._seen.respelled:
            found.append(f"{self._seen.respelled} of {trades} trades in another spelling")
        spelled = OK if trades else unseen
        yield Finding(Assumption.SPELLING, f"differs: {', '.join(found)}" if found else spelled)
        late = f"differs: {self._late} of {trades} trades more than 1 s after their time"
        yield Finding(Assumption.ON_TIME, late if self._late else OK if trades else unseen)


# --------------------------------------------------------------------- driver


def look(config: Config) -> Iterator[Finding]:
    """Look at the sources and the market channel of these settings; yield what is seen."""
    until = time.monotonic() + LONGEST_S
    http = polymarket_http.Http(config.user_agent, deadline_s=CALL_S)
    urls = (config.gamma_url, config.clob_url, config.data_url)
    sources = SourcesLook(http, http.clock, Urls(*(url.rstrip("/") for url in urls)))
    try:
        yield from sources.findings()
    finally:
        http.close()
    tokens = [market.assets[0].token_id for market in sources.markets]
    reactor = Reactor()
    reactor.start()
    try:
        feed = FeedLook(
            FeedDialler(config, reactor, most_sockets=1),
            tokens,
            inbox=QueueInbox(),
            until=until,
            offset_s=http.clock.offset_s,
        )
        yield from feed.findings()
    finally:
        reactor.stop(STOP_ACTOR_S)
    yield from chain_findings(config, sources.markets, until - time.monotonic())


def chain_findings(config: Config, markets: Sequence[Market], left_s: float) -> Iterator[Finding]:
    """Ask the configured nodes, if any, about one market; all together within what is left."""
    if not config.rpc_urls or not markets:
        return
    deadline_s = min(CALL_S, left_s / len(config.rpc_urls))
    if deadline_s <= 0:
        yield Finding("chain", "not seen: no time was left")
        return
    nodes = Chain(config.rpc_urls, user_agent=config.user_agent, deadline_s=deadline_s)
    try:
        nodes.payouts([markets[0].condition_id])
        yield Finding("chain", OK)
    except SourceUnavailable as exc:
        yield Finding("chain", f"differs: {exc}")
    finally:
        nodes.close()


def as_text(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield one line for each finding; what comes from outside cannot drive a terminal."""
    for name, judgement in findings:
        yield terminal_safe(f"{name:<16} {judgement}")
