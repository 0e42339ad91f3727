import pytest

from actors.feed.liveness import CloseReason, close_reason
from actors.messages import ConnectionReport, Retire
from actors.model.assumptions import Assumption, Violations
from actors.model.connection import ConnectionSpec
from tests.fakes_box import drain
from tests.feed.test_actor import YES, ConnectionHarness, a_book


@pytest.mark.parametrize(
    ("reason", "detail", "meaning"),
    [
        ("closed_1000", "all subscribed assets resolved", CloseReason("all_resolved", 300.0)),
        ("closed_1000", "", CloseReason("closed_1000")),
        ("closed_1008", "invalid payload", CloseReason("closed_1008", 10.0, policy_violation=True)),
        ("closed_1013", "slow consumer: send buffer full", CloseReason("closed_1013")),
        ("reset", "Connection reset by peer", CloseReason("reset")),
    ],
)
def test_what_the_other_side_says_is_understood(
    reason: str, detail: str, meaning: CloseReason
) -> None:
    assert close_reason(reason, detail) == meaning


def ended(harness: ConnectionHarness, reason: str, detail: str = "") -> Violations:
    """Let the socket end; return what the last report says of the assumptions."""
    harness.socket.on_end(reason, detail)
    drain(harness.actor)
    return harness.supervisor.last(ConnectionReport).violations


UNSERVED = ((Assumption.SERVED, 1),)


def test_an_end_before_any_data_violates_the_assumption_that_we_are_served() -> None:
    assert ended(ConnectionHarness().connect(), "reset") == UNSERVED


def test_silence_after_the_handshake_violates_it_too() -> None:
    harness = ConnectionHarness().connect()
    for _ in range(17):
        harness.tick(data=False)

    assert harness.supervisor.last(ConnectionReport).state == "ended"
    assert harness.supervisor.last(ConnectionReport).violations == UNSERVED


def test_an_end_after_data_or_because_all_is_resolved_or_we_end_it_does_not() -> None:
    served = ConnectionHarness().connect()
    served.hear(a_book(YES))
    assert ended(served, "reset") == ()
    assert ended(ConnectionHarness().connect(), "closed_1000", "all assets resolved") == ()
    retired = ConnectionHarness().connect()
    retired.actor.on_receive(Retire(reason="released", at_once=True))
    assert ended(retired, "closed") == ()


def test_a_connection_for_news_alone_is_served_by_any_frame() -> None:
    harness = ConnectionHarness(ConnectionSpec(name="lifecycle", feed=0, lifecycle=True)).connect()
    harness.socket.frames_total = 1
    assert ended(harness, "reset") == ()
    silent = ConnectionHarness(ConnectionSpec(name="lifecycle", feed=0, lifecycle=True)).connect()
    assert ended(silent, "reset") == UNSERVED
