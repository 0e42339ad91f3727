import msgspec

from actors.health.text import headline, state_line
from tests.health.health_samples import START, document, well


def test_a_healthy_tracker_is_one_line_of_figures() -> None:
    line = headline(document(well(), START + 2))
    assert line.startswith("healthy | ")
    for figure in (" trades, ", " last minute | ", " connections live | ", " resolutions"):
        assert figure in line


def test_what_is_wrong_comes_first_and_drives_no_terminal() -> None:
    wrong = msgspec.structs.replace(
        document(well(), START + 2), state="degraded", reasons=("all is red \x1b[31m", "and late")
    )
    assert state_line(wrong) == "degraded: all is red ?[31m; and late"
    assert headline(wrong).startswith(f"{state_line(wrong)} | ")
