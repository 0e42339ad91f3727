"""A few cases of `quiet.py`; `make drift` runs all."""

import pytest

from tests.chaos.quiet import FEW, frozen_for_good, quiet_hour, weekly_restart
from tests.chaos.whole_feed import ANSWERS

# Much simulated time: to measure its coverage would take three times as long.
pytestmark = pytest.mark.no_cover


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_quiet_hour_costs_no_gap_and_no_reconnect(answer: str) -> None:
    outcome = quiet_hour(answer, 1, books=True, stops=False)
    assert outcome.wrong == []
    assert (outcome.gap_share, outcome.connections) == (0, 3)


@pytest.mark.parametrize("books", [True, False], ids=["books", "no books"])
def test_the_weekly_restart_replaces_nobody_whose_socket_lives(*, books: bool) -> None:
    outcome = weekly_restart("repeat_text", FEW, books=books, dead=False)
    assert outcome.wrong == []
    assert (outcome.gap_share == 0) is books


@pytest.mark.parametrize("books", [True, False], ids=["books", "no books"])
def test_sockets_that_freeze_for_good_are_all_replaced(*, books: bool) -> None:
    outcome = frozen_for_good(FEW, books=books)
    assert outcome.wrong == []
    assert outcome.replaced == FEW + 1
