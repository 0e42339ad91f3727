"""The client of the chain: nodes of Polygon, each asked in batches as large as it takes.

Nodes document no common limit: free ones take three calls a batch, some none at all, and answer a
larger one with an error for the whole. So the size is learnt for each node. One that fails is
passed over, and what it did not answer is asked of the next one; all about one condition comes
from one node.
"""

import bisect
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.trade import ConditionId
from actors.polymarket.contract import chain, receipts, rpc
from actors.polymarket.contract.chain import ChainFacts
from actors.polymarket.contract.receipts import Settlement, State
from actors.polymarket.contract.rpc import Answered, Call, Lookup
from actors.polymarket.pagination import is_answer
from actors.polymarket.sources import (
    CHAIN_REQUESTS,
    MAX_CHAIN_CONDITIONS,
    MAX_RECEIPTS,
    WINDOW_S,
    Closable,
)

MOST_CALLS = 80
PUBLIC_CALLS = 3
"""In one batch to a public node: what those of drpc.org and 1rpc.io take without a key."""
LARGER_AFTER_S, LARGER_AT_LAST_S = 60.0, 3_600.0
"""So long after a batch was rejected, a larger one is tried; twice as long after each rejection.
It may have been an outage, after which the node takes large ones as before."""
REST_S = 60.0
"""So long after it failed, a node is asked after the others."""
LONGEST_S = 60.0
"""After so long no further request of one call is sent; the last one may take its deadline."""
MISSES = 2
"""So many single calls in a row that bring only errors: it is the node, not what is asked."""
_NOT_ABOUT_SIZE = frozenset({401, 403, 404})

Failure = SourceUnavailable | PayloadRejected
_Answers = list[Answered | None]


class Poster(Closable, Protocol):
    """What makes the requests: `polymarket.http.Http`."""

    def post(self, url: str, body: bytes) -> bytes:
        """Return the body of the 200 that answers this JSON."""


class BatchSize:
    """How many calls one node takes in a batch, as far as is known.

    Args:
        most: What is tried at first, and never exceeded.
    """

    def __init__(self, most: int) -> None:
        self._most = self._size = most
        self._changed_at = float("-inf")
        self._larger_after_s = LARGER_AFTER_S
        self._is_try = False

    @property
    def known(self) -> int:
        """Return how many calls it takes, as far as is known."""
        return self._size

    def restore(self, size: int) -> None:
        """Forget what was learnt since `known` was so much."""
        self._size = size

    def size(self, now: float) -> int:
        """Return how many calls to send; after a while twice as many, see `LARGER_AFTER_S`."""
        if self._size < self._most and now - self._changed_at >= self._larger_after_s:
            self._size = min(self._most, self._size * 2)
            self._changed_at = now
            self._is_try = True
        return self._size

    def rejected(self, count: int, now: float) -> bool:
        """Record that a batch was rejected; return whether a smaller one can be tried."""
        if count <= 1:
            return False
        # Three is what free nodes take: not to be missed on the way from 80 to 1.
        self._size = max(3, count // 2) if count > 3 else 1
        if self._is_try:
            self._larger_after_s = min(2 * self._larger_after_s, LARGER_AT_LAST_S)
            self._is_try = False
        self._changed_at = now
        return True


class Pace:
    """Spaces requests: at most so many in a window of time, whoever makes them. Any thread.

    Args:
        most: Requests in the window.
        window_s: Seconds.
    """

    def __init__(self, most: int, window_s: float) -> None:
        self._most, self._window_s = most, window_s
        self._trackers = 1
        # The last ones, in order: when they were answered or, until then, when they may leave.
        self._times: list[float] = []
        self._lock = threading.Lock()

    def share(self, trackers: int) -> None:
        """Leave equal parts to the other trackers of this host."""
        self._trackers = max(1, trackers)

    def take(self, now: float) -> float:
        """Return when the next request may leave, and count it."""
        with self._lock:
            at = now
            if len(self._times) >= self._most:
                at = max(now, self._times[-self._most] + self._window_s * self._trackers)
            bisect.insort(self._times, at)
            del self._times[: -2 * self._most]
            return at

    def give_back(self, at: float) -> None:
        """Take back a request that did not leave."""
        with self._lock:
            if at in self._times:
                self._times.remove(at)

    def answered(self, at: float, now: float) -> None:
        """Date a request again: the node may have counted it at any moment until now."""
        self.give_back(at)
        with self._lock:
            bisect.insort(self._times, now)


def node_pace(*, public: bool) -> Pace:
    """Return the pace of all requests to nodes: one a second to nodes that are for everybody."""
    return Pace(1, 1.0) if public else Pace(CHAIN_REQUESTS, WINDOW_S)


class Node:
    """One node, and what is known of it.

    Args:
        url: It may hold a key, so errors name its host only.
        most: Calls of its largest batch.
    """

    def __init__(self, url: str, most: int) -> None:
        self.url = url
        self.host = urlsplit(url).hostname or ""
        self.batch = BatchSize(most)
        self.failed_at = float("-inf")


class Chain:
    """The contracts, read through the nodes that answer.

    One thread at a time may ask for payouts; any may call the rest.

    Args:
        urls: Nodes of Polygon in the order in which they are asked. They may contain
            access keys, so errors name their hosts only.
        http: Makes the requests; closed with this.
        public: They are nodes for everybody: at most one request a second in all, three calls each.
        pace: Shared with the other clients of these nodes.
        monotonic: Seconds.
        wait: Waits for so many seconds, or until the process stops.
    """

    def __init__(
        self,
        urls: Sequence[str],
        http: Poster,
        *,
        public: bool = False,
        pace: Pace | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.is_public = public
        self._nodes = [Node(url, PUBLIC_CALLS if public else MOST_CALLS) for url in urls]
        self._pace = pace or node_pace(public=public)
        self._http = http
        self._monotonic = monotonic
        self._wait = wait
        self._until = float("inf")

    @property
    def at_once(self) -> int:
        """Return how many conditions to name in one call, so that it makes four requests at most.

        One request has the first calls, and one each has what is needed of those with an outcome.
        """
        now = self._monotonic()
        sizes = (node.batch.size(now) for node in self._in_order(now))
        return min(MAX_CHAIN_CONDITIONS, next(sizes, MAX_CHAIN_CONDITIONS))

    def share(self, trackers: int) -> None:
        """Leave equal parts of the requests to the other trackers of this host."""
        self._pace.share(trackers)

    def payouts(self, condition_ids: Sequence[ConditionId]) -> tuple[ChainFacts, ...]:
        """Return the facts about each of at most 20 conditions, in their order.

        All about one condition come from one node. One about which the nodes answer with an
        error has that as its facts, and costs the others nothing.

        Raises:
            SourceUnavailable: Every node failed before all were answered.
        """
        if len(condition_ids) > MAX_CHAIN_CONDITIONS:
            raise ValueError(
                f"{len(condition_ids)} ids, at most {MAX_CHAIN_CONDITIONS} are allowed"
            )
        if not condition_ids:
            return ()
        now = self._monotonic()
        self._until = now + LONGEST_S
        found: dict[ConditionId, ChainFacts] = {}
        failures: list[Failure] = []
        missing = list(dict.fromkeys(condition_ids))
        for node in self._in_order(now):
            if missing:
                facts, failure = self._ask(node, missing)
                found |= facts
                failures += [failure] if failure else []
                missing = [each for each in missing if each not in found]
        # Where a node did its work, an error belongs to the market. Where all failed it does not,
        # and an observation would end a hold for nothing.
        if missing and len(failures) == len(self._nodes):
            raise _none_answered(failures)
        return tuple(found.get(each) or ChainFacts(failure=chain.FAILED) for each in condition_ids)

    def settlements(self, transactions: Sequence[str]) -> tuple[Settlement, ...]:
        """Return what each of at most ten transactions settled, in their order.

        Where one node knows nothing, or says what cannot be, the next one is asked: nodes lag, and
        forget what is old.

        Raises:
            SourceUnavailable: Every node failed.
        """
        if len(transactions) > MAX_RECEIPTS:
            raise ValueError(f"{len(transactions)} transactions, at most {MAX_RECEIPTS} at once")
        now = self._monotonic()
        self._until = now + LONGEST_S
        found: dict[str, Settlement] = {}
        failures: list[Failure] = []
        for node in self._in_order(now):
            open_ = [each for each in transactions if not _is_certain(found.get(each))]
            if open_:
                told, failure = self._look_up(node, open_)
                found |= {
                    each.transaction: each
                    for each in told
                    # What one node has proven is not taken back by one that lags.
                    if each.state is not State.UNKNOWN or each.transaction not in found
                }
                failures += [failure] if failure else []
        if not found and len(failures) == len(self._nodes) and transactions:
            raise _none_answered(failures)
        nothing = (receipts.unknown(each, "not answered") for each in transactions)
        return tuple(found.get(each.transaction, each) for each in nothing)

    def _look_up(
        self, node: Node, transactions: Sequence[str]
    ) -> tuple[list[Settlement], Failure | None]:
        """Return what one node answered about transactions, and why it failed if it did."""
        calls = [receipts.receipt_call(each) for each in transactions]
        answers, failure = self._answers(node, calls)
        told = [
            receipts.read_receipt(transaction, answer)
            for transaction, answer in zip(transactions, answers, strict=True)
            if answer is not None
        ]
        blocks = receipts.blocks_of(told)
        if blocks and failure is None:
            answers, failure = self._answers(node, [receipts.block_call(each) for each in blocks])
            times = dict(zip(blocks, map(receipts.read_block, blocks, answers), strict=True))
            told = [
                msgspec.structs.replace(each, at_ms=times.get(each.block))
                if each.at_ms is None
                else each
                for each in told
            ]
        if failure is not None:
            node.failed_at = self._monotonic()
        return told, failure

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def _in_order(self, now: float) -> list[Node]:
        """Return the nodes as they are given, those that failed a moment ago last."""
        return sorted(self._nodes, key=lambda node: now - node.failed_at < REST_S)

    def _ask(
        self, node: Node, ids: Sequence[ConditionId]
    ) -> tuple[dict[ConditionId, ChainFacts], Failure | None]:
        """Return the facts that one node knows, and why it failed if it did."""
        answers, failure = self._answers(node, [chain.first_call(each) for each in ids])
        known = {each: first for each, first in zip(ids, answers, strict=True) if first}
        asked = {each: chain.further_calls(each, first) for each, first in known.items()}
        calls = [call for each in asked.values() for call in each]
        rest: _Answers = [None] * len(calls)
        if failure is None and calls:
            rest, failure = self._answers(node, calls, together=chain.FURTHER_CALLS)
        found = {}
        for condition_id, first in known.items():
            count = len(asked[condition_id])
            further, rest = [each for each in rest[:count] if each], rest[count:]
            if len(further) == count:
                found[condition_id] = chain.facts(condition_id, first, further)
        if failure is not None:
            node.failed_at = self._monotonic()
        return found, failure

    def _answers(
        self, node: Node, calls: Sequence[Call], *, together: int = 1
    ) -> tuple[_Answers, Failure | None]:
        """Return what a node answers to each call, None where nothing; and why it failed if so.

        Args:
            node: That is asked.
            calls: In any number; they are cut into batches that the node takes.
            together: So many neighbours are kept in one batch where it is large enough.
        """
        answers: _Answers = []
        misses, before, rejected_at = 0, node.batch.known, 0
        while len(answers) < len(calls):
            size = node.batch.size(self._monotonic())
            some = calls[len(answers) :][: size - size % together or size]
            try:
                got = self._post(node, some)
            except (SourceUnavailable, PayloadRejected) as failure:
                if not self._is_rejected(node, len(some), failure):
                    if len(some) == 1:
                        node.batch.restore(before)  # a single call fails as well
                    return _filled(answers, len(calls)), failure
                rejected_at = len(answers)
                continue
            answers += got
            misses = 0 if any(got) else misses + 1  # only single calls come back without any
            if misses == MISSES:
                break
        if not any(answers[rejected_at:]):
            node.batch.restore(before)  # single calls fail as well, so it was not the size
        if misses == MISSES or not any(answers):
            nothing = PayloadRejected(f"{node.host}: the node answers with errors only")
            return _filled(answers, len(calls)), nothing
        return self._once_more(node, calls, answers)

    def _once_more(
        self, node: Node, calls: Sequence[Call], answers: _Answers
    ) -> tuple[_Answers, Failure | None]:
        """Ask again, one by one, the calls that brought an error where others did not."""
        misses = 0
        for number, call in enumerate(calls):
            if answers[number] is None and misses < MISSES:
                try:
                    answers[number] = self._post(node, [call])[0]
                except (SourceUnavailable, PayloadRejected) as failure:
                    return answers, failure
                misses = 0 if answers[number] else misses + 1
        return answers, None

    def _is_rejected(self, node: Node, count: int, failure: Failure) -> bool:
        """Return whether a failure may be about the size of a batch, and a smaller one be tried."""
        status = failure.status if isinstance(failure, SourceUnavailable) else None
        if status == 429:  # a node may count each call: the next batch is smaller, and it waits
            node.batch.rejected(count, self._monotonic())
            return False
        about_it = is_answer(failure) and status not in _NOT_ABOUT_SIZE
        return about_it and node.batch.rejected(count, self._monotonic())

    def _post(self, node: Node, calls: Sequence[Call]) -> tuple[Answered | None, ...]:
        leaves_at = self._pace.take(now := self._monotonic())
        if leaves_at > now:
            self._wait(leaves_at - now)
        if self._monotonic() >= self._until:
            self._pace.give_back(leaves_at)
            raise SourceUnavailable(f"{node.host}: no time is left")
        try:
            raw = self._http.post(node.url, rpc.request(calls))
        finally:
            self._pace.answered(leaves_at, self._monotonic())
        try:
            return rpc.read_replies(raw, len(calls), lookup=isinstance(calls[0], Lookup))
        except PayloadRejected as rejection:
            raise PayloadRejected(f"{node.host}: {rejection}") from rejection


def _is_certain(settlement: Settlement | None) -> bool:
    """Return whether no other node need be asked about a transaction."""
    if settlement is None or settlement.state is State.UNKNOWN:
        return False
    return settlement.state is State.FAILED or settlement.at_ms is not None


def _filled(answers: _Answers, count: int) -> _Answers:
    return answers + [None] * (count - len(answers))


def _none_answered(failures: Sequence[Failure]) -> SourceUnavailable:
    waits = [each.retry_after_s for each in failures if isinstance(each, SourceUnavailable)]
    return SourceUnavailable(
        "; ".join(map(str, failures)) or "no node is configured",
        retry_after_s=next((each for each in reversed(waits) if each is not None), None),
    )
