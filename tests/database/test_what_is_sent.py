"""Whatever the exchange sends, the database holds what our readers take of it.

A row that passes our checks and not those of the database counts as a fault of ours, and many of
them stop the storing of everything. So it must not be in the power of the exchange to send one.
"""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from actors.database.store import Store
from actors.errors import PayloadRejected
from actors.model.market import Market, Observation
from actors.model.storage import Batch, RejectedRow
from actors.polymarket import channel, gamma
from actors.polymarket.events import trade_hidden_in
from tests.database.samples import ns
from tests.polymarket.feed_samples import TRADE
from tests.postgres import ask

pytestmark = pytest.mark.db

RANDOM = "".join(sha256(b"%d" % number).hexdigest() for number in range(150))
VALUES: tuple[bytes, ...] = (
    *(b"null", b"true", b"[]", b"{}", b"0", b"-0", b"-1", b"1e308", b"-1e308", b"1e-308", b"1e309"),
    *(b"1e400", b"1e200000", b"1e-200000", b"9" * 400, b"9" * 4_000, b"9" * 5_000, b"9" * 200_000),
    *(b"0." + b"3" * 50, b"0." + b"3" * 5_000, b"0.5" + b"0" * 20_000, b"NaN", b"Infinity"),
    *(b'"' + each + b'"' for each in (b"", b"0", b"-1", b"NaN", b"Infinity", b"1e400", b"9" * 400)),
    *(b'"0.5' + b"0" * 20_000 + b'"', b'"' + b"9" * 140_000 + b'"', b'"1e-17000"', b'"1e131071"'),
    *(b'"' + RANDOM.encode() + b'"', b'"0x' + RANDOM.encode() + b'"', b'"' + b"a" * 300_000 + b'"'),
    *(b'"\\u0000"', b'"a\\u0000b"', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\\\u0000"', b'"\x7f"'),
    *('"\U0010ffff\ufffe\u202e"'.encode(), b'"\xff"', b'"\\u0001\\u001f"'),
    *(b'"0001-01-01T00:00:00Z"', b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59.999999Z"'),
    *(b'"9999-12-31T23:59:59-23:59"', b'"2026-02-29"', b'"1969-12-31 23:59:59+00"', b'"infinity"'),
    *(b"[" * 60 + b"]" * 60, b"[" * 3_000 + b"]" * 3_000, b'{"a":' * 60 + b"1" + b"}" * 60),
    *(b'{"' + b"k" * 70_000 + b'":1}', b'{"\\u0000":1}', b'{"a":1,"a":2}', b'{"a":1e308}'),
    *(
        b'["x","\\u0000"]',
        b'["a","' + RANDOM.encode() + b'"]',
        b'[{"slug":"' + b"s" * 9_000 + b'"}]',
    ),
    b"[" + b",".join([b'"' + RANDOM[:70].encode() + b'"'] * 2_000) + b"]",
)
MARKET: dict[str, bytes] = {
    **dict.fromkeys(("question", "slug", "description", "groupItemTitle"), b'"a"'),
    **dict.fromkeys(("endDate", "startDate", "gameStartTime", "closedTime"), b'"2026-03-01"'),
    **dict.fromkeys(("closed", "active", "negRisk"), b"false"),
    **dict.fromkeys(("umaResolutionStatus", "resolutionStatus"), b'""'),
    "id": b'"7"',
    "version": b'"v1"',
    "outcomes": b'["Yes","No"]',
    "outcomePrices": b'["0.5","0.5"]',
    "volume": b'"12.5"',
    "volumeNum": b"12.5",
    "tags": b'["a"]',
    "orderPriceMinTickSize": b"0.01",
    "feeSchedule": b'{"rate":0.03}',
    "negRiskMarketID": b'"0x1"',
}
EVENT: dict[str, bytes] = {
    **dict.fromkeys(("id", "slug", "title", "seriesSlug"), b'"a"'),
    **dict.fromkeys(("startTime", "endDate"), b'"2026-03-01"'),
    **dict.fromkeys(("negRisk", "negRiskAugmented"), b"true"),
    "negRiskMarketID": b'"0x1"',
}
NUMBERS = iter(range(1, 10**9))


def written(fields: dict[str, bytes]) -> bytes:
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), fields[name]) for name in fields) + b"}"


def ids() -> tuple[bytes, bytes]:
    """Return the condition and the tokens of another market."""
    number = next(NUMBERS)
    return b'"0x%064x"' % number, b'["%d","%d"]' % (2 * number, 2 * number + 1)


def listed(fields: dict[str, bytes], **more: bytes) -> Iterator[tuple[Market, Observation]]:
    """Yield the market that Gamma lists so, if it is one, and what that says of its outcome."""
    condition, tokens = ids()
    raw = written({**fields, "conditionId": condition, "clobTokenIds": tokens, **more})
    try:
        market = gamma.parse_market(raw)
    except PayloadRejected:
        return
    yield market, gamma.observe(raw, market, ns(0) // 1_000_000)


def announced(name: str, value: bytes) -> tuple[Market, ...]:
    condition, tokens = ids()
    fields = {
        "event_type": b'"new_market"',
        "market": condition,
        "assets_ids": tokens,
        "outcomes": b'["Yes","No"]',
        "question": b'"?"',
        "slug": b'"s"',
        "id": b'"7"',
        "tags": b'["a"]',
        name: value,
    }
    return channel.decode((written(fields),), ns(0)).announced


def test_every_market_that_is_read_can_be_stored(store: Store, database: str) -> None:
    found: list[tuple[Market, Observation]] = []
    others: list[Market] = []
    for value in VALUES:
        for name in MARKET:
            found += listed(MARKET, **{name: value})
        for name in EVENT:
            found += listed(MARKET, events=b"[" + written({**EVENT, name: value}) + b"]")
        for name in ("question", "slug", "id", "tags", "outcomes", "active", "new"):
            others += announced(name, value)
    markets = (*(market for market, _ in found), *others)
    observations = tuple(said for _, said in found)
    committed = store.commit(Batch(markets=markets, observations=observations))

    assert (committed.rejected_rows, committed.rejected_because) == ((), "")
    assert ask(database, "select count(*) from markets") == [(len(markets),)]
    assert ask(database, "select count(*) from resolution_observations") == [(len(found),)]
    assert len(found) > 20 * len(VALUES)


def test_every_trade_that_is_read_can_be_stored_and_every_other_event_be_kept(
    store: Store, database: str
) -> None:
    usual = {name: f'"{value}"'.encode() for name, value in TRADE.items()}
    frames = [
        written({**usual, "timestamp": b'"%d"' % (ns(0) // 1_000_000 + number), name: value})
        for number, (name, value) in enumerate(
            (name, value) for value in VALUES for name in (*TRADE, "new", "", RANDOM[:70])
        )
    ]
    decoded = channel.decode(frames, ns(0))
    rejections = tuple(
        RejectedRow(
            seq=1,
            index=index,
            connection="a-0001",
            rejection=rejection,
            epoch=1,
            doubts=trade_hidden_in(rejection.payload),
        )
        for index, rejection in enumerate(decoded.rejections)
    )
    batch = Batch(trades=decoded.trades, rejections=rejections, watermark=2)
    committed = store.commit(batch)

    assert (committed.rejected_rows, committed.rejected_because) == ((), "")
    assert committed.stored == len(decoded.trades) > 2 * len(VALUES)
    assert ask(database, "select count(*) from rejected_messages") == [(len(rejections),)]
