"""A dispute of six days, a tracker that is killed every six hours: one right label, once."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from actors.model.market import Source
from tests.chaos.resolutions import REPEATED
from tests.database.six_days import HOLD_S, POLL_S, START_MS, RestartedTracker, parsed
from tests.fakes_http import FakeMarket, FakePolymarket, tokens
from tests.postgres import ask

# Much simulated time: to measure its coverage would take three times as long.
pytestmark = [pytest.mark.db, pytest.mark.no_cover]

HOUR_S = 3_600.0
FINAL_S = 6 * 24 * HOUR_S
SECOND_FINAL_S = FINAL_S + 40.0
END_S = FINAL_S + 3 * HOUR_S
EVERY_S = 6 * HOUR_S
DOWN_S = 15.0
NEIGHBOURS = 6
TOLD = """select o.source, o.verdict, o.reason from resolution_observations o
    where condition_id = %s and source <> 'tracker' order by source, observed_at"""
STATES = """select o.verdict from resolution_observations o
    where condition_id = %s and source = 'tracker' order by observed_at"""
UNPROVEN = """select r.condition_id, s.source from resolutions r, unnest(r.sources) as s (source)
    left join lateral (
      select o.verdict as told from resolution_observations o
      where o.condition_id = r.condition_id and o.source = s.source
        and o.observed_at <= r.recorded_at
      order by o.observed_at desc limit 1) as last on true
    where last.told is distinct from 'winner ' || r.winning_token_id"""
ROWS = """select condition_id, winning_token_id, sources,
    extract(epoch from recorded_at)::float8 from resolutions"""


def neighbour(number: int, rng: random.Random) -> FakeMarket:
    end_s = rng.uniform(0.1, 0.98) * FINAL_S
    return FakeMarket(number, end_ms=START_MS + int(end_s * 1000), start_ms=START_MS - 3_600_000)


class Dispute:
    """The disputed market, its neighbours, and when two sources showed the outcome of each."""

    def __init__(self, dsn: str, seed: int) -> None:
        self.rng = random.Random(seed)
        self.web = FakePolymarket()
        self.market = FakeMarket(1, end_ms=START_MS + 3_600_000, start_ms=START_MS - 3_600_000)
        self.neighbours = [neighbour(2 + each, self.rng) for each in range(NEIGHBOURS)]
        self.tracker = RestartedTracker(dsn, self.web)
        self.second_final_s = {self.market.condition_id: SECOND_FINAL_S}
        for each in (self.market, *self.neighbours):
            self.web.add(each)
        self.tracker.announce(self.market, *self.neighbours)
        self._plan_dispute()
        for each in self.neighbours:
            self._plan_neighbour(each)

    def _plan_dispute(self) -> None:
        at, market = self.tracker.at, self.market

        def show(status: str, data_status: str) -> None:
            market.closed, market.closed_ms = True, START_MS + 3_700_000
            market.status, market.data_status = status, data_status
            market.prices = ("0.9995", "0.0005")
            market.clob_closed = True
            self.tracker.seen(parsed(market))

        at(1.2 * HOUR_S, lambda: show("proposed", "proposed"))
        at(3.5 * HOUR_S, lambda: show("disputed", "challenged"))
        at(30.0 * HOUR_S, lambda: show("proposed", "reproposed"))
        at(50.0 * HOUR_S, lambda: show("disputed", "disputed"))
        # It closed long ago, so the listing of closings does not show it: the feed reports it.
        at(FINAL_S, lambda: self._resolve(market, 1, "g", closed_ms=market.closed_ms or 0))
        at(SECOND_FINAL_S, lambda: self._resolve(market, 1, "d"))
        at(SECOND_FINAL_S + 90.0, lambda: self._resolve(market, 1, "c"))

    def _plan_neighbour(self, market: FakeMarket) -> None:
        end_s = ((market.end_ms or 0) - START_MS) / 1000
        times = sorted(end_s + self.rng.uniform(1, 600) for _ in "gdc")
        self.second_final_s[market.condition_id] = times[1]
        for at_s, source in zip(times, self.rng.sample("gdc", 3), strict=True):
            self.tracker.at(
                at_s,
                lambda at_s=at_s, source=source: self._resolve(  # type: ignore[misc]
                    market, market.number % 2, source, closed_ms=START_MS + int(at_s * 1000)
                ),
            )

    def _resolve(self, market: FakeMarket, winner: int, source: str, closed_ms: int = 0) -> None:
        market.resolve(winner, sources=source, closed_ms=closed_ms)
        if source == "g":
            self.tracker.hint(market)

    def run(self, restart_s: float) -> None:
        """Run all days with a restart at this second and one at a random moment of each quarter."""
        moments = [each * EVERY_S + self.rng.uniform(0, EVERY_S - 600) for each in range(24)]
        for at_s in [*moments, restart_s]:
            self._go_to(at_s)
            self.tracker.restart(after_s=DOWN_S)
        self._go_to(END_S)

    def _go_to(self, at_s: float) -> None:
        """Tick each second in the hold of the dispute, less often around others, else seldom."""
        for event_s in sorted(self.second_final_s.values()):
            step_s = 1.0 if event_s == SECOND_FINAL_S else 5.0
            self.tracker.run(min(at_s, event_s - 700), step_s=60.0)
            self.tracker.run(min(at_s, event_s + HOLD_S + 3 * POLL_S), step_s=step_s)
        self.tracker.run(at_s, step_s=60.0)


@pytest.fixture
def dispute(database: str, request: pytest.FixtureRequest) -> Iterator[Dispute]:
    found = Dispute(database, seed=request.param)
    yield found
    found.tracker.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("dispute", "into_hold_s"),
    [
        (0, 3.0),
        *(
            pytest.param(*each, marks=pytest.mark.long)
            for each in ((1, 70), (2, 200), (3, 325), (4, 372), (7, 150))
        ),
    ],
    indirect=["dispute"],
)
def test_a_market_disputed_twice_has_one_right_label_and_each_change_once_after_six_days(
    dispute: Dispute, database: str, into_hold_s: float
) -> None:
    dispute.run(SECOND_FINAL_S + into_hold_s)

    rows = {row[0]: row for row in ask(database, ROWS)}
    every = (dispute.market, *dispute.neighbours)
    assert dispute.tracker.restarts == 25
    assert {key: row[1] for key, row in rows.items()} == {
        each.condition_id: tokens(each.number)[1 if each is dispute.market else each.number % 2]
        for each in every
    }
    waits = {
        key: row[3] - START_MS / 1000 - dispute.second_final_s[key] for key, row in rows.items()
    }
    assert max(waits.values()) <= HOLD_S + 2 * POLL_S
    assert min(waits.values()) > HOLD_S - 1.0
    assert ask(database, UNPROVEN) == []
    assert ask(database, REPEATED) == []
    for name in ("unresolved", "rejected_messages", "resolution_conflicts"):
        assert ask(database, f"select * from {name}") == []  # noqa: S608 -- names from above
    check_changes(dispute, database)


def check_changes(dispute: Dispute, database: str) -> None:
    """Every change of the dispute is stored once, and told once."""
    told: dict[str, list[Any]] = {}
    condition_id = dispute.market.condition_id
    for source, decided, reason in ask(database, TOLD, condition_id):
        told.setdefault(source, []).append(reason or decided)
    won = f"winner {tokens(1)[1]}"
    assert told == {
        Source.GAMMA: ["open", "proposed", "disputed", "proposed", "disputed", won],
        Source.DATA: ["initialized", "proposed", "challenged", "reproposed", "disputed", won],
        Source.CLOB: ["open", "no winner flag", won],
    }
    states = [row[0] for row in ask(database, STATES, condition_id)]
    assert states == [
        *("ended", "proposed", "disputed", "proposed", "disputed", "agreed-holding", "recorded"),
    ]
    # Not only stored once: no actor told again what the one before had.
    sent = [each for each in dispute.tracker.sent if each.condition_id == condition_id]
    assert [each.after for each in sent] == states
