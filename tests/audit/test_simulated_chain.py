"""The simulator's chain as arbiter: read, judged and compared as the tracker does it."""

import json
from collections.abc import Iterable
from decimal import Decimal

import pytest

from actors.audit.arbitration import MOST_ASKED, arbitrate, in_dispute
from actors.model.audit import Audit, AuditResult
from actors.polymarket.contract.nodes import Chain
from actors.simulator.events import Trade
from actors.simulator.market import Market
from actors.simulator.sources.chain import chain_answer
from tests.audit.test_simulated import NOW_MS, QUIRKS, World

# Thousands of receipts are read: to measure their coverage would take three times as long.
pytestmark = pytest.mark.no_cover

RECEIPTS = (
    "receipts_null",
    "receipts_empty",
    "receipts_elsewhere",
    "receipts_taker_paid",
    "ghosts_failed",
    "blocks_gone",
    "free_nodes",
)
NEVER_PROVEN = frozenset({"receipts_empty", "receipts_elsewhere", "blocks_gone"})


class Arbiter:
    """The tracker's client of a simulated node, and what it finds."""

    def __init__(self, *broken: str, trades: int = 2_000) -> None:
        self.world = World(*broken, trades=trades)
        self.now_s = 0.0
        self.chain = Chain(
            ["http://node/"], self, monotonic=lambda: self.now_s, wait=self.pass_time
        )

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds

    def post(self, url: str, body: bytes) -> bytes:
        assert url == "http://node/"
        tape = self.world.tape
        answer = chain_answer(self.world.every, json.loads(body), NOW_MS, tape=tape)
        return json.dumps(answer).encode()

    def close(self) -> None:
        raise AssertionError("closed")

    def audit(self, market: Market, lost: Iterable[int] = ()) -> Audit:
        hour, told = self.world.hour(market), self.world.told(market)
        stored = self.world.stored(market, lost)
        asked = in_dispute(hour, stored, told)[:MOST_ASKED]
        said = self.chain.settlements(asked)
        return arbitrate(hour, stored, told, said, checked_at_ms=NOW_MS)

    def judged(self, trade: Trade) -> bool:
        large = Decimal(trade.size) >= Decimal("0.02")
        return self.world.judged(trade.n) and large


@pytest.mark.parametrize("broken", ["", "receipts_first_form", *RECEIPTS])
def test_a_lost_trade_is_proven_where_the_chain_can(broken: str) -> None:
    arbiter = Arbiter(*([broken] if broken else []))
    tried = proven = 0
    for market in arbiter.world.markets:
        its = [each for each in arbiter.world.of[market.condition] if arbiter.judged(each)]
        for lost in its[::25]:
            found = arbiter.audit(market, [lost.n])
            tried += 1
            proven += found.missing
            assert found.missing <= 1
            assert lost.hash in found.evidence or not found.missing
    assert tried > 30
    if broken in NEVER_PROVEN:
        assert proven == 0
    elif broken in {"receipts_null", "receipts_taker_paid"}:
        assert 0 < proven <= tried
    else:
        assert proven == tried


@pytest.mark.parametrize("broken", [*RECEIPTS, ",".join(RECEIPTS)])
@pytest.mark.parametrize("listed", ["trades_ghosts", "trades_resent", ",".join(QUIRKS)])
def test_no_quirk_makes_the_chain_say_that_anything_is_missing(broken: str, listed: str) -> None:
    arbiter = Arbiter(*broken.split(","), *listed.split(","))
    found = [arbiter.audit(market) for market in arbiter.world.markets]

    assert {each.result for each in found} == {AuditResult.UNKNOWN}
    assert {each.missing for each in found} == {0}


@pytest.mark.parametrize("broken", ["", *RECEIPTS])
def test_lost_among_ghosts_a_trade_is_proven_or_unknown(broken: str) -> None:
    arbiter = Arbiter("trades_ghosts", "trades_resent", *([broken] if broken else []))
    for market in arbiter.world.markets[:8]:
        its = [each for each in arbiter.world.of[market.condition] if arbiter.judged(each)]
        for lost in its[::20]:
            found = arbiter.audit(market, [lost.n])
            assert found.result is not AuditResult.COMPLETE
            assert found.missing <= 1


def test_a_late_receipt_is_unknown() -> None:
    arbiter = Arbiter("receipts_late")
    late = next(
        each for each in reversed(arbiter.world.trades)
        if arbiter.judged(each) and each.ts > NOW_MS - 1_000_000
    )  # fmt: skip
    (market,) = [e for e in arbiter.world.markets if e.condition == late.condition]

    assert arbiter.audit(market, [late.n]).missing in {0, 1}
