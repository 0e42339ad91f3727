"""How long things take is added up over commits, and shown by the upper bounds."""

from collections.abc import Sequence

from actors.model.histogram import END_TO_END_S, REQUEST_S, SYNC_S, Histogram, Stopwatch
from tests.health.health_samples import START, commit, document, sample, well


def histogram(bounds: Sequence[float], values: Sequence[float]) -> Histogram:
    watch = Stopwatch(bounds)
    for seconds in values:
        watch.add(seconds)
    return watch.histogram


def test_commits_and_the_ages_of_their_trades_are_added_up() -> None:
    health = well()
    for took_s, ages_s in ((0.004, [0.2, 0.2]), (0.004, []), (40.0, [7_000.0])):
        commit(health, took_s=took_s, ages=histogram(END_TO_END_S, ages_s))
    said = document(health, START + 9).timing
    assert {name: count for name, count in said.commits.counts.items() if count} == {
        "0.005": 2, "more": 1,
    }  # fmt: skip
    assert said.commits.sum_s == 40.008
    assert {name: count for name, count in said.end_to_end.counts.items() if count} == {
        "0.25": 2, "14400": 1,
    }  # fmt: skip
    assert said.end_to_end.sum_s == 7_000.4


def test_syncs_and_requests_are_shown_as_they_were_last_measured() -> None:
    health = well()
    for number in (1, 2):
        sample(health, syncs=histogram(SYNC_S, [0.003] * number))
        health.requests_timed({"gamma": histogram(REQUEST_S, [0.2] * number)})
    said = document(health, START + 9).timing
    assert (said.syncs.counts["0.005"], said.requests["gamma"].counts["0.25"]) == (2, 2)


def test_before_anything_was_measured_every_count_is_0() -> None:
    said = document(well(), START + 2).timing
    assert set(said.end_to_end.counts.values()) == {0}
    assert len(said.end_to_end.counts) == len(END_TO_END_S) + 1
    assert Histogram() == Histogram((), 0.0)
