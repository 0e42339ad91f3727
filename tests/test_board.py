import os

import pytest
from board_samples import health
from rich.console import Console

from actors import board
from actors.errors import PayloadRefused


def test_summary_is_one_line_with_the_figures_most_wanted() -> None:
    text = board.summary(health(live=False))
    assert "\n" not in text
    assert text.startswith("degraded: none of 2")
    assert "1,234 trades" in text
    with pytest.raises(PayloadRefused):
        board.summary({"state": "healthy"})


def test_many_connections_are_cut_to_those_in_trouble_and_the_busiest() -> None:
    document = health()
    one = document["connections"]["list"][0]
    document["connections"]["list"] = [
        {**one, "id": f"leg0-{n:04}", "last_hour": n, "state": "waiting" if n == 7 else "listening"}
        for n in range(4000)
    ]
    console = Console(width=80, file=open(os.devnull, "w"), record=True)  # noqa: SIM115, PTH123 - closed with the console below
    console.print(board.render(document))
    console.file.close()
    lines = console.export_text().splitlines()
    first = next(index for index, line in enumerate(lines) if "last reason" in line)
    assert lines[first + 1].split()[0] == "leg0-0007"
    assert lines[first + 2].split()[0] == "leg0-3999"
    assert "and 3,988 more" in lines[-1]
    assert len(lines) - first == board.SHOWN_CONNECTIONS + 2
