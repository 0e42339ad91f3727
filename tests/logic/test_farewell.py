import pytest

from actors.feed.liveness import Farewell, farewell


@pytest.mark.parametrize(
    ("reason", "detail", "meaning"),
    [
        ("closed_1000", "all subscribed assets resolved", Farewell("all_resolved", 300.0)),
        ("closed_1000", "", Farewell("closed_1000")),
        ("closed_1008", "invalid payload", Farewell("closed_1008", 10.0, complaint=True)),
        ("closed_1013", "slow consumer: send buffer full", Farewell("closed_1013")),
        ("reset", "Connection reset by peer", Farewell("reset")),
    ],
)
def test_what_the_other_side_says_is_understood(
    reason: str, detail: str, meaning: Farewell
) -> None:
    assert farewell(reason, detail) == meaning
