"""Promise: a clock that is set makes no label of an outcome that passed, and delays none."""

import pytest

from actors.messages import ResolutionHint, ResolutionObserved, Tick
from actors.model.market import Source
from actors.resolution.clock import TRUSTED_S
from tests.clocks import HOUR_S
from tests.fakes_box import drain
from tests.fakes_http import WALL_MS, FakeMarket, FakePolymarket
from tests.resolution.test_actor import ENDED, HOLD_S, POLL_S, Harness

FLASH_S = 40


class WrongClock(Harness):
    """A resolution actor whose system clock is wrong; the sources know the right time."""

    def __init__(self, market: FakeMarket, *, wrong_s: float) -> None:
        self.wrong_s = wrong_s
        web = FakePolymarket()
        web.add(market)
        super().__init__(web, chain=False)
        self.watch(market)

    def tick(self, after_s: float = 1.0, *, drained: bool = True) -> None:
        self.web.clock_offset_s = -self.wrong_s
        self.elapsed_s += after_s
        while (at := self.asker.next_at) is not None and at <= self.elapsed_s:
            self.asker.deliver()
            drain(self.actor)
        self.asker.now = self.elapsed_s
        wall_ns = WALL_MS * 1_000_000 + int((self.elapsed_s + self.wrong_s) * 1e9)
        self.actor.on_receive(Tick(now=1000.0 + self.elapsed_s, wall_ns=wall_ns))
        if drained:
            drain(self.actor)


@pytest.mark.no_cover  # see CONTRIBUTING.md
@pytest.mark.parametrize("hinted_at", range(14, 22))
@pytest.mark.parametrize("liar", [True, False])
@pytest.mark.parametrize("slow_s", [3.0, 5.0])
def test_answers_under_way_when_the_clock_is_set_back_end_no_hold(
    *, hinted_at: int, liar: bool, slow_s: float
) -> None:
    """All sources show an outcome for 40 s, then that it is disputed; Gamma may stay with it."""
    market = FakeMarket(1, end_ms=ENDED)
    market.resolve(0)
    harness = WrongClock(market, wrong_s=HOUR_S)
    harness.asker.delays_s = {Source.GAMMA: 1.0, Source.DATA: slow_s, Source.CLOB: slow_s}
    for second in range(int(HOLD_S) + 400):
        if second == FLASH_S:
            if not liar:
                market.closed, market.status = False, "disputed"
            market.data_status, market.data_payouts = "disputed", None
            market.clob_closed, market.clob_winner = False, None
        if second == hinted_at:
            harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
            drain(harness.actor)
        harness.tick()
    assert harness.resolutions() == []


@pytest.mark.parametrize("wrong_s", [HOUR_S, -HOUR_S, 24 * HOUR_S])
def test_a_clock_that_was_wrong_at_the_start_delays_no_label(wrong_s: float) -> None:
    market = FakeMarket(1, end_ms=ENDED)
    market.status = market.data_status = "proposed"
    harness = WrongClock(market, wrong_s=wrong_s)
    harness.run(30, step_s=1.0)
    harness.wrong_s = 0.0
    harness.run(60, step_s=1.0)
    market.resolve(0)
    harness.run(HOLD_S + 3 * POLL_S)
    assert len(harness.resolutions()) == 1
    now_ms = WALL_MS + int(harness.elapsed_s * 1000)
    observed = [each.observation for each in harness.writer.of(ResolutionObserved)]
    assert all(each.observed_at_ms <= now_ms for each in observed)


def test_what_is_answered_before_the_time_is_known_is_asked_again_and_not_stored() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = WrongClock(market, wrong_s=0.0)
    harness.web.clock_known = False
    harness.run(TRUSTED_S - 25, step_s=1.0)  # its first tick was 11 s before
    assert harness.web.times("data") > 3
    assert harness.writer.of(ResolutionObserved) == []
    harness.run(20, step_s=1.0)
    assert harness.evidence(Source.DATA) == ["initialized"]
