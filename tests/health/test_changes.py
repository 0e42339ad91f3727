"""The log tells from what to what the health changed, and when many tokens were not covered."""

import logging
from typing import Any

import msgspec
import pytest

from actors.health.changes import HealthChanges
from actors.health.document import Health
from actors.health.parts import UnconfirmedToken
from tests.health.health_samples import START, document, state

WELL: dict[str, Any] = {"state": "healthy", "reasons": (), "codes": ()}
AWAY: dict[str, Any] = {
    "state": "degraded",
    "reasons": ("the database is away",),
    "codes": ("database_away",),
}


def health(at_s: float, *, wanted: int = 1_000, covered: int = 1_000, **said: Any) -> Health:
    whole = document(state(), START + at_s)
    causes = said.pop("causes", {})
    assets = msgspec.structs.replace(whole.assets, wanted=wanted, covered=covered, causes=causes)
    return msgspec.structs.replace(whole, assets=assets, **{**WELL, **said})


def lines(log: pytest.LogCaptureFixture) -> list[tuple[str, int, dict[str, Any]]]:
    """Return event, level and fields of each line."""
    names = ("from", "to", "seconds", "reasons", "more", "tokens", "wanted", "reason", "causes")
    found = [
        (each.message, each.levelno, {n: vars(each)[n] for n in names if n in vars(each)})
        for each in log.records
    ]
    log.clear()
    return found


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_a_change_says_from_what_to_what_after_how_long_and_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    changes = HealthChanges()
    changes.note(health(1, state="starting"))
    assert lines(caplog) == []
    changes.note(health(4))
    said = {"from": "starting", "to": "healthy", "seconds": 3.0, "reasons": [], "more": 0}
    assert lines(caplog) == [("health_changed", logging.INFO, said)]
    changes.note(health(5))
    changes.note(health(64, **AWAY))
    said = {"from": "healthy", "to": "degraded", "seconds": 60.0, "more": 0}
    said["reasons"] = ["the database is away"]
    assert lines(caplog) == [("health_changed", logging.WARNING, said)]
    changes.note(health(94.5))
    said = {"from": "degraded", "to": "healthy", "seconds": 30.5, "reasons": [], "more": 0}
    assert lines(caplog) == [("health_changed", logging.WARNING, said)]


def test_another_reason_in_the_same_state_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    changes = HealthChanges()
    changes.note(health(1, **AWAY))
    more = {**AWAY, "codes": ("database_away", "disk_low"), "reasons": ("away", "low")}
    for at_s in range(5, 50, 10):
        changes.note(health(at_s, **more))
        changes.note(health(at_s + 5, **AWAY))
    ((event, level, said),) = lines(caplog)
    assert (event, level, said["from"], said["to"]) == (
        "health_changed",
        30,
        "degraded",
        "degraded",
    )
    assert said["reasons"] == ["away", "low"]
    changes.note(health(60))
    changes.note(health(70, **more))
    assert len(lines(caplog)) == 2


def test_of_many_reasons_five_are_named(caplog: pytest.LogCaptureFixture) -> None:
    changes = HealthChanges()
    changes.note(health(1))
    reasons = tuple(f"reason {number}" for number in range(7))
    changes.note(health(2, state="degraded", reasons=reasons, codes=reasons))
    ((_, _, said),) = lines(caplog)
    assert (said["reasons"], said["more"]) == (list(reasons[:5]), 2)


def test_a_gap_of_many_tokens_opens_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    changes = HealthChanges()
    changes.note(health(0))
    changes.note(health(5, covered=400, causes={"frozen": 600}, **AWAY))
    lines(caplog)
    causes = {"frozen": 700, "disconnected": 200}
    changes.note(health(10, covered=100, causes=causes, **AWAY))
    changes.note(health(15, covered=300, causes={"frozen": 700}, **AWAY))
    # Why these tokens are not listened to, and not what else is wrong.
    said = {"tokens": 900, "wanted": 1_000, "reason": "frozen", "causes": causes}
    assert lines(caplog) == [("gap_opened", logging.WARNING, said)]
    changes.note(health(65, covered=995, **AWAY))
    said = {"tokens": 900, "seconds": 60.0}
    assert lines(caplog) == [("gap_closed", logging.WARNING, said)]


def test_a_gap_whose_cause_is_not_known_names_none(caplog: pytest.LogCaptureFixture) -> None:
    changes = HealthChanges()
    for at_s in (5, 10):
        changes.note(health(at_s, covered=400, **AWAY))
    ((event, _, said),) = lines(caplog)
    assert (event, said["reason"], said["causes"]) == ("gap_opened", "", {})


@pytest.mark.parametrize(
    ("covered", "said"),
    [
        ([1_000, 0, 1_000], {}),  # for a moment
        ([991, 991, 991], {}),  # new tokens, all the time
        ([0, 0, 0], {"state": "starting"}),
        ([0, 0, 0], {"state": "stopping"}),
    ],
)
def test_what_is_no_gap_worth_a_line_opens_none(
    covered: list[int], said: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    changes = HealthChanges()
    for place, count in enumerate(covered):
        changes.note(health(5.0 * place, covered=count, **said))
    assert lines(caplog) == []


def test_tokens_that_wait_for_their_book_are_named_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    changes = HealthChanges()
    whole = health(1)
    waiting = UnconfirmedToken(
        token_id="71", condition_id="0xab", connection="a-0001", waiting_s=61.04
    )
    assets = msgspec.structs.replace(whole.assets, never_confirmed=7, unconfirmed=(waiting,))
    for second in range(1, 1_000, 5):
        changes.note(msgspec.structs.replace(whole, assets=assets, uptime_s=float(second)))
    found = [each for each in caplog.records if each.message == "tokens_unconfirmed"]
    assert [each.levelno for each in found] == [logging.WARNING] * 2
    said = vars(found[0])
    assert (said["count"], said["tokens"], said["markets"]) == (7, ["71"], ["0xab"])
    assert said["longest_s"] == 61.0
