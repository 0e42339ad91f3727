import pytest

from actors.feed.liveness import CloseReason, close_reason


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
