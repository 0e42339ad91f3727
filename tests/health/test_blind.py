"""A tracker that receives nothing must not look well: what is covered, since when, and why not."""

import pytest

from actors.health.parts import Limits
from actors.health.state import Health, HealthState
from actors.messages import StoreOpened
from actors.model.trade import ConditionId, TokenId
from tests.health.health_samples import (
    START,
    WALL,
    connection,
    document,
    sample,
    state,
    well,
)

FEEDS = ("a-0001", "a-0002", "b-0001", "b-0002")


def at(health: HealthState, second: float) -> Health:
    """Let the seconds pass since the last call; return the document of the last of them."""
    now = START + second
    health.time_passed(now, WALL + int(second * 1e9))
    return document(health, now)


def running(*, tokens: int = 100, health: HealthState | None = None) -> HealthState:
    """Return a tracker with two connections of each feed, and one for announcements."""
    health = health or state()
    health.universe_planned(wanted=2 * tokens)
    for child in FEEDS:
        health.connection_wanted(child, feed="ab".index(child[0]), at=START)
    health.connection_wanted("lifecycle", feed=0, at=START)
    health.store_opened(StoreOpened(server="PostgreSQL 18"))
    receive(health, 1.0, tokens=tokens)
    sample(health)
    at(health, 1.0)
    return health


def receive(
    health: HealthState, second: float, *but: str, tokens: int = 100, stopped_at: float = 1.0
) -> None:
    """Let all connections but these receive data; these have received none since a moment."""
    for child in (*FEEDS, "lifecycle"):
        count = tokens if child != "lifecycle" else 0
        data_at = START + (second if child not in but else stopped_at)
        said = connection(child, tokens=count, confirmed=count, last_data_at=data_at)
        health.connection_reported(said, at=START + second)


def lose(health: HealthState, second: float, *children: str, reason: str = "frozen") -> None:
    """End connections; the exchange accepts new ones and sends no book on them."""
    for child in children:
        health.connection_ended(child, reason=reason, at=START + second)
        said = connection(child, incarnation=2, state="subscribing", tokens=100, confirmed=0)
        health.connection_reported(said, at=START + second)


def test_a_tracker_of_which_only_the_connection_for_announcements_lives_is_degraded() -> None:
    health = running()
    receive(health, 100.0)
    at(health, 100.0)
    lose(health, 101.0, *FEEDS)
    for second in range(101, 116):
        assert at(health, second).state == "healthy"
    for second in range(116, 121):
        said = at(health, second)
    assert (said.state, said.codes) == ("degraded", ("no_connection_live",))
    (reason,) = said.reasons
    assert reason == "none of 4 connections with tokens is live for 19 s"
    assert (said.connections.live, said.connections.live_with_tokens) == (1, 0)
    assert (said.assets.covered, said.assets.lost_s) == (0, 20.0)
    receive(health, 121.0, "lifecycle")
    assert at(health, 121).codes == ("no_connection_live",)  # reports of the incarnation before
    for child in FEEDS:
        said_again = connection(
            child, incarnation=2, tokens=100, confirmed=100, last_data_at=START + 122
        )
        health.connection_reported(said_again, at=START + 122)
    assert (at(health, 122).state, at(health, 122).assets.lost_s) == ("healthy", 0.0)


@pytest.mark.parametrize(("confirmed", "said"), [(0, "none of 200"), (40, "only 80 of 200")])
def test_tokens_that_are_lost_on_live_connections_are_a_reason_of_their_own_within_20_s(
    confirmed: int, said: str
) -> None:
    health = running()
    receive(health, 100.0)
    at(health, 100.0)
    for child in FEEDS:
        report = connection(child, tokens=100, confirmed=confirmed, last_data_at=START + 101)
        health.connection_reported(report, at=START + 101)
    assert [at(health, second).codes for second in range(101, 117)] == [()] * 16
    found = at(health, 118)
    assert (found.state, found.codes) == ("degraded", ("coverage_lost",))
    assert found.reasons[0].startswith(said)
    assert "for 17 s" in found.reasons[0]
    assert "never_confirmed" in found.reasons[0]


def test_a_loss_that_is_found_late_counts_from_the_last_data() -> None:
    health = running()
    receive(health, 100.0)
    assert at(health, 120).state == "healthy"  # nothing shows yet that anything is missed
    lose(health, 120.5, *FEEDS)
    said = at(health, 121.5)
    assert (said.state, said.codes) == ("degraded", ("no_connection_live",))
    assert said.reasons == (
        "none of 4 connections with tokens is live for 1 s, and nothing came for 22 s",
    )


def test_the_silence_of_the_few_that_are_left_does_not_hide_that_the_others_are_lost() -> None:
    health = running()
    receive(health, 100.0)
    at(health, 100.0)
    lose(health, 101.0, *FEEDS)
    for child in ("a-0003", "a-0004"):
        health.connection_wanted(child, feed=0, at=START)
        few = connection(child, tokens=3, confirmed=3, last_data_at=START + 100)
        health.connection_reported(few, at=START + 101)
    at(health, 101)
    assert at(health, 140).codes == ("coverage_lost", "exchange_silent")


def test_a_short_reconnect_of_quiet_connections_is_no_loss() -> None:
    health = running()
    receive(health, 100.0)
    at(health, 120)
    lose(health, 120.5, *FEEDS, reason="reset")
    assert [at(health, second).codes for second in range(121, 136)] == [()] * 15


def test_a_loss_lasts_until_nearly_all_is_covered_again() -> None:
    health = running()
    receive(health, 100.0)
    at(health, 100.0)
    lose(health, 101.0, *FEEDS)
    for second, confirmed, code in ((120, 0, "no_connection_live"), (130, 89, "coverage_lost")):
        for child in FEEDS:
            listening = "listening" if confirmed else "subscribing"
            said = connection(
                child, incarnation=2, state=listening, tokens=100, confirmed=confirmed,
                last_data_at=START + second if confirmed else 0.0,
            )  # fmt: skip
            health.connection_reported(said, at=START + second)
        assert at(health, second).codes == (code,)
    for child in FEEDS:
        said = connection(child, incarnation=2, tokens=100, confirmed=90, last_data_at=START + 131)
        health.connection_reported(said, at=START + 131)
    assert at(health, 131).codes == ()


def test_more_than_half_of_what_was_covered_is_no_loss_of_all() -> None:
    health = running()
    for child in FEEDS:
        report = connection(child, tokens=100, confirmed=51, last_data_at=START + 50)
        health.connection_reported(report, at=START + 2)
    assert [at(health, second).codes for second in range(2, 50)] == [()] * 48


def test_a_plan_that_grows_is_no_loss() -> None:
    health = running()
    health.universe_planned(wanted=100_000)
    receive(health, 90.0)
    assert [at(health, second).codes for second in range(90, 110)] == [()] * 20


def test_a_start_is_no_loss_for_its_first_minute_and_one_then() -> None:
    health = state()
    health.store_opened(StoreOpened(server="PostgreSQL 18"))
    health.universe_planned(wanted=100)
    health.connection_wanted("a-0001", feed=0, at=START)
    health.connection_wanted("lifecycle", feed=0, at=START)
    said = connection("a-0001", state="subscribing", tokens=100, confirmed=0)
    health.connection_reported(said, at=START + 1)
    health.connection_reported(connection("lifecycle", tokens=0, confirmed=0), at=START + 1)
    assert {at(health, second).state for second in range(1, 60)} == {"starting"}
    assert "no_connection_live" in at(health, 61).codes


def test_while_all_are_silent_together_nothing_more_is_said_and_nothing_counts_as_covered() -> None:
    health = running()
    receive(health, 100.0)
    at(health, 100.0)
    for second in range(101, 180):
        receive(health, second, *FEEDS, "lifecycle")
        said = at(health, second)
    assert said.codes == ("exchange_silent",)
    assert (said.assets.covered, said.assets.causes) == (0, {"exchange_silent": 200})
    assert said.coverage.gap_token_s > 0
    # It is shown that they were frozen: the others begin again and get no book.
    lose(health, 180.0, *FEEDS)
    said = at(health, 181)
    assert said.codes == ("no_connection_live",)
    assert said.assets.causes == {"frozen": 200}


def test_what_is_covered_says_when_it_was_proven_last() -> None:
    health = running()
    assert at(health, 5.0).assets.proven_s == 4.0
    receive(health, 21.0, "a-0002", "b-0002")
    found = at(health, 22.0).assets
    assert (found.covered, found.proven_s) == (200, 21.0)
    for child in ("a-0002", "b-0002"):  # books show that nothing happened
        quiet = connection(
            child, tokens=100, confirmed=100, last_data_at=START + 1, silence_proven_at=START + 20
        )
        health.connection_reported(quiet, at=START + 22)
    assert at(health, 23.0).assets.proven_s == 3.0
    lose(health, 24.0, *FEEDS)
    assert at(health, 25.0).assets.proven_s is None


def test_a_full_journal_is_the_reason_and_not_the_connections_that_it_ends() -> None:
    health = running()
    lose(health, 2.0, *FEEDS, reason="disk_full")
    sample(health, full=True)
    said = at(health, 30.0)
    assert said.codes == ("journal_full",)
    assert said.assets.causes == {"disk_full": 200}


@pytest.mark.parametrize(
    ("reasons", "causes"),
    [
        (("frozen", "frozen"), {"frozen": 200}),
        (("reset", "dns"), {"disconnected": 200}),
        (("frozen", "no_books"), {"frozen": 100, "never_confirmed": 100}),
        (("a word of a newer version", "disk_full"), {"disconnected": 100, "disk_full": 100}),
    ],
)
def test_tokens_that_are_not_covered_are_counted_by_the_cause_of_their_gap(
    reasons: tuple[str, str], causes: dict[str, int]
) -> None:
    health = running()
    for feed in "ab":
        for number, reason in enumerate(reasons, start=1):
            lose(health, 2.0, f"{feed}-000{number}", reason=reason)
    assert at(health, 3.0).assets.causes == causes


def test_causes_count_what_the_better_feed_lacks_and_never_more_than_that() -> None:
    health = running()
    lose(health, 2.0, "a-0001", "a-0002")
    assert at(health, 3.0).assets.causes == {}
    lose(health, 4.0, "b-0002", reason="reset")
    assert at(health, 5.0).assets.causes == {"disconnected": 100}
    health.universe_planned(wanted=150)
    assert at(health, 6.0).assets.causes == {"disconnected": 50}


def test_a_connection_that_cannot_be_opened_again_still_lacks_what_it_had() -> None:
    health = running()
    for child in FEEDS:
        health.connection_ended(child, reason="reset", at=START + 2)
        ended = connection(child, incarnation=2, state="ended", tokens=0, confirmed=0)
        health.connection_reported(ended, at=START + 3)
        health.connection_ended(child, reason="refused", at=START + 3, failure="refused")
    assert at(health, 4.0).assets.causes == {"disconnected": 200}


def test_tokens_without_any_connection_were_never_confirmed() -> None:
    health = state()
    health.universe_planned(wanted=7)
    assert at(health, 4.0).assets.causes == {"never_confirmed": 7}


def test_a_healthy_tracker_lacks_nothing() -> None:
    found = at(well(), 2.0).assets
    assert (found.lost_s, found.causes) == (0.0, {})


def waits(health: HealthState, child: str, *tokens: tuple[str, float]) -> None:
    """Let tokens of a connection wait for their book since these seconds."""
    since = tuple((TokenId(token), START + second) for token, second in tokens)
    said = connection(
        child, tokens=100, confirmed=100 - len(tokens), last_data_at=START + 99,
        waiting=frozenset(token for token, _ in since), waiting_longest=since,
    )  # fmt: skip
    health.connection_reported(said, at=START + 2)


def test_the_tokens_that_wait_for_longest_on_all_feeds_are_named_with_their_markets() -> None:
    health = running()
    health.markets_known(lambda name, token: ConditionId(f"market of {token} on {name}"))
    old = [(f"t{number}", float(number)) for number in range(2, 9)]
    waits(health, "a-0001", *old, ("only A", 1.0))
    waits(health, "b-0001", *[(token, second + 1) for token, second in old])
    found = at(health, 66).assets
    named = [(each.token_id, each.waiting_s) for each in found.unconfirmed]
    # t6 has waited for less than a minute, or may have been confirmed a moment ago.
    assert named == [("t2", 63.0), ("t3", 62.0), ("t4", 61.0)]
    assert found.unconfirmed[0].condition_id == "market of t2 on b-0001"
    assert len(at(health, 99).assets.unconfirmed) == 5


def test_a_token_that_one_feed_has_is_not_named() -> None:
    health = running()
    waits(health, "a-0001", ("t1", 1.0))
    assert at(health, 90).assets.unconfirmed == ()


# A freeze in its first minute. Fault: `healthy` for 50 s while nothing came at all.


def steadily(*, every_s: int = 2, until: int = 1_300) -> HealthState:
    """Return a tracker whose connections receive data every few seconds, until then."""
    limits = Limits(silent_s=54.0)  # as the tracker sets it
    health = running(
        health=HealthState(version="1", host="here", pid=7, now=START, wall_ns=WALL, limits=limits)
    )
    for second in range(2, until, every_s):
        receive(health, float(second))
        at(health, second)
    return health


def test_a_freeze_of_all_that_usually_brings_data_needs_attention_within_25_s() -> None:
    health = steadily()
    for second in range(1_300, 1_316):
        receive(health, float(second), *FEEDS, "lifecycle", stopped_at=1_298.0)
        assert at(health, second).state == "healthy"
    found = [at(health, second) for second in range(1_316, 1_330)]
    assert [one.state for one in found[4:]] == ["attention"] * 10
    (reason,) = found[-1].reasons
    assert found[-1].codes == ("coverage_unproven",)
    assert reason == (
        "most tokens have brought nothing for 31 s, far longer than usual: they are proven until"
        " then alone"
    )
    receive(health, 1_330.0)
    assert at(health, 1_330).state == "healthy"


def test_half_of_the_tokens_of_one_feed_are_enough() -> None:
    health = steadily()
    frozen = ("a-0001", "a-0002", "b-0001")
    for second in range(1_300, 1_330):
        receive(health, float(second), *frozen, stopped_at=1_298.0)
        found = at(health, second)
    assert (found.state, found.assets.unproven_s) == ("healthy", 0.0)


def test_connections_that_take_turns_are_known_together() -> None:
    """Each hears something every 16 s only, and all together every 4 s."""
    health = steadily(until=3)
    last = dict.fromkeys(FEEDS, 0.0)
    for second in range(4, 1_300):
        last[FEEDS[second // 4 % 4]] = float(second)
        for child, data_at in last.items():
            said = connection(child, tokens=100, confirmed=100, last_data_at=START + data_at)
            health.connection_reported(said, at=START + second)
        assert at(health, second).state == "healthy"
    states = [at(health, second).state for second in range(1_300, 1_330)]
    assert (states[17], states[22]) == ("healthy", "attention")


@pytest.mark.parametrize("every_s", [15, 30])
def test_markets_that_are_often_quiet_raise_no_alarm(every_s: int) -> None:
    health = steadily(every_s=every_s)
    assert {at(health, second).state for second in range(1_300, 1_340)} == {"healthy"}


def test_what_is_usual_is_not_known_at_once_and_not_for_good() -> None:
    health = steadily(until=400)
    assert {at(health, second).state for second in range(400, 450)} == {"healthy"}
    health = steadily(until=700)
    receive(health, 740.0)  # once for 40 s: an hour ago at most
    for second in range(742, 4_000, 2):
        receive(health, float(second))
        assert at(health, second).state == "healthy"
    assert at(health, 4_045).state == "healthy"
    for second in range(4_046, 7_800, 2):
        receive(health, float(second))
        at(health, second)
    assert [at(health, second).state for second in (7_825, 7_826)] == ["healthy", "attention"]


def test_a_silence_that_snapshots_prove_is_none_of_it() -> None:
    health = steadily()
    for second in range(1_300, 1_400):
        for child in FEEDS:
            said = connection(
                child, tokens=100, confirmed=100, last_data_at=START + 1_298,
                silence_proven_at=START + 1_312 + 60 * ((second - 1_312) // 60),
            )  # fmt: skip
            health.connection_reported(said, at=START + second)
        found = at(health, second)
        assert found.state == "healthy", second


def test_a_process_that_stood_still_is_not_taken_for_a_freeze() -> None:
    health = steadily()
    assert at(health, 1_350).state == "healthy"  # what waited in the buffers is not read yet
    receive(health, 1_350.5)
    assert at(health, 1_351).state == "healthy"


def test_the_time_between_two_incarnations_is_not_taken_for_usual() -> None:
    health = steadily()
    for child in FEEDS:
        health.connection_ended(child, reason="frozen", at=START + 1_300)
    for second in range(1_360, 1_400, 2):
        for child in FEEDS:
            said = connection(
                child, incarnation=2, tokens=100, confirmed=100, last_data_at=START + second
            )
            health.connection_reported(said, at=START + second)
        at(health, second)
    assert [at(health, second).codes for second in (1_425, 1_426)] == [(), ("coverage_unproven",)]
