"""The rows of `connection_events`."""

import logging

import pytest

from tests.actor_harness import SLOT, SupervisorHarness, connection_report


def test_the_first_opening_is_called_connected() -> None:
    assert SupervisorHarness().begin(1).noted(SLOT) == [("connected", "")]


def test_an_opening_after_an_end_is_called_reconnected_with_the_reason_of_the_end() -> None:
    harness = SupervisorHarness().begin(1)
    harness.end(SLOT, "frozen")
    harness.ticks(3)

    assert harness.noted(SLOT) == [
        ("connected", ""),
        ("disconnected", "frozen"),
        ("reconnected", "frozen"),
    ]


def test_a_connection_is_recorded_as_open_once() -> None:
    assert len(SupervisorHarness().begin(1).ticks(5).noted(SLOT)) == 1


def test_incarnations_that_never_listened_are_called_failed_once_for_each_reason() -> None:
    harness = SupervisorHarness().tick()
    harness.mute.add(SLOT)
    harness.begin(1)
    for reason in ("dns", "dns", "http_429", "dns"):
        starts = harness.incarnation(SLOT)
        harness.end(SLOT, reason)
        while harness.incarnation(SLOT) == starts:
            harness.tick()

    assert harness.noted(SLOT) == [("failed", "dns"), ("failed", "http_429"), ("failed", "dns")]


def test_a_connection_that_opens_only_after_failures_is_called_connected() -> None:
    harness = SupervisorHarness().tick()
    harness.mute.add(SLOT)
    harness.begin(1)
    harness.end(SLOT, "dns")
    harness.mute.clear()
    harness.ticks(3)

    assert harness.noted(SLOT) == [("failed", "dns"), ("connected", "")]


def test_a_connection_that_cannot_be_reopened_is_called_failed_after_disconnected() -> None:
    harness = SupervisorHarness().begin(1)
    harness.end(SLOT, "reset")
    harness.mute.add(SLOT)
    harness.ticks(2)
    harness.end(SLOT, "reset")
    harness.ticks(3)

    assert harness.noted(SLOT)[1:] == [("disconnected", "reset"), ("failed", "reset")]


def test_an_incarnation_that_was_accepted_and_not_served_is_called_failed() -> None:
    harness = SupervisorHarness().tick()
    harness.unserved.add(SLOT)
    harness.begin(1).ticks(3)
    harness.end(SLOT, "disconnected")
    harness.ticks(3)

    assert harness.noted(SLOT) == [("failed", "disconnected")]


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_failures_of_all_connections_are_summed_up_in_a_line_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = SupervisorHarness().tick()
    slots = [f"a-{number:04}" for number in range(200)]
    harness.mute.update(slots)
    harness.begin(*range(1, 201))
    caplog.clear()
    with caplog.at_level(logging.INFO, "actors.supervision.connection_log"):
        failed = 0
        for _ in range(150):
            for slot in slots:
                if harness.ref(slot).alive:
                    failed += 1
                    harness.end(slot, "refused", detail="127.0.0.1: Connection refused")
            harness.tick()
    lines = [vars(record) for record in caplog.records]

    assert failed > 1_000
    assert [line["message"] for line in lines] == ["connections_failed"] * 3
    assert {line["levelname"] for line in lines} == {"WARNING"}
    assert {tuple(line["reasons"]) for line in lines} == {("refused",)}
    assert {line["detail"] for line in lines} == {"127.0.0.1: Connection refused"}
    assert failed - 1_000 < sum(line["failed"] for line in lines) <= failed


def test_another_reason_is_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    harness = SupervisorHarness().tick()
    harness.mute.add(SLOT)
    harness.begin(1)
    caplog.clear()
    with caplog.at_level(logging.INFO, "actors.supervision.connection_log"):
        for reason in ("dns", "dns", "http_429", "dns", "http_429"):
            starts = harness.incarnation(SLOT)
            harness.end(SLOT, reason)
            while harness.incarnation(SLOT) == starts:
                harness.tick()
    lines = [vars(record)["reasons"] for record in caplog.records]

    assert lines[:2] == [{"dns": 1}, {"dns": 1, "http_429": 1}]


def test_one_that_was_served_has_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    harness = SupervisorHarness().begin(1)
    caplog.clear()
    with caplog.at_level(logging.INFO, "actors.supervision.connection_log"):
        harness.end(SLOT, "reset")
        harness.ticks(3)

    assert [record.message for record in caplog.records] == [
        "connection_ended",
        "connection_reopened",
    ]


def test_the_line_of_an_end_says_what_it_was_and_how_long(caplog: pytest.LogCaptureFixture) -> None:
    harness = SupervisorHarness().begin(1).ticks(30)
    report = connection_report(SLOT, 1, "listening", harness.epoch(SLOT), tokens=40, trades_total=7)
    harness.tell(report)
    caplog.clear()
    with caplog.at_level(logging.INFO, "actors.supervision.connection_log"):
        harness.end(SLOT, "reset")
        harness.ticks(3)
    ended, reopened = map(vars, caplog.records)

    assert (ended["connection"], ended["reason"], ended["levelname"]) == (SLOT, "reset", "WARNING")
    assert (ended["tokens"], ended["trades"]) == (40, 7)
    assert ended["seconds"] >= 30
    assert (reopened["connection"], reopened["levelname"]) == (SLOT, "INFO")
    assert 0 < reopened["down_s"] <= 3


def test_ends_that_are_planned_are_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    harness = SupervisorHarness().begin(1)
    caplog.clear()
    with caplog.at_level(logging.INFO, "actors.supervision.connection_log"):
        harness.end(SLOT, "all_resolved")
        harness.ticks(3)
    (ended, *_) = caplog.records
    assert (ended.message, ended.levelname) == ("connection_ended", "INFO")


def test_of_many_ends_some_have_a_line_and_the_others_are_summed_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = SupervisorHarness().begin(*range(1, 101)).ticks(60)
    caplog.clear()
    with caplog.at_level(logging.INFO, "actors.supervision.connection_log"):
        for number in range(100):
            harness.end(f"a-{number:04}", "reset")
        harness.ticks(2)
    lines = [vars(record) for record in caplog.records]
    sums = [line for line in lines if line["message"] == "connections_ended"]

    assert sum(line["message"] == "connection_ended" for line in lines) == 20
    assert [(line["ended"], line["reasons"]) for line in sums] == [(80, {"reset": 80})]


def test_the_status_says_why_connections_fail() -> None:
    harness = SupervisorHarness().tick()
    harness.mute.add(SLOT)
    harness.begin(1)
    harness.end(SLOT, "dns", detail="ws.example: Name or service not known")
    harness.tick()

    failure = "dns: ws.example: Name or service not known"
    assert harness.health().connections.last_failure == failure
