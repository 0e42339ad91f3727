"""The tutorial works: each of its blocks of Python runs, and the notebook is the page, carried out.

Faults: a name of the tutorial no longer exists; page and notebook differ; the notebook was saved
without its output, or with an error in it; a command of the page has an option that is none.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from actors.dataset.export.export import Wish, export
from tests.dataset.stored_day import DAY, StoredDay
from tests.docs import tutorial
from tests.postgres import do

RESOLVE = """
    insert into resolutions (condition_id, kind, winning_token_id, winning_outcome, payouts,
                             resolved_at, recorded_at, sources)
    select condition_id, 'winner', token_id, outcome, '{1,0}', %s, %s, '{clob,gamma}'
    from assets a where outcome_index = 0
      and not exists (select from resolutions r where r.condition_id = a.condition_id)
"""
PAY = """
    insert into resolution_payouts (condition_id, token_id, outcome, payout)
    select condition_id, token_id, outcome, 1 - outcome_index from assets a
    where not exists (select from resolution_payouts p where p.condition_id = a.condition_id)
"""


@pytest.fixture
def place(database: str, tmp_path: Path) -> Path:
    """Return a folder with a release of a day whose markets resolved after it."""
    StoredDay(trades=3_000).fill(database)
    resolved = DAY.replace(day=2, hour=6)
    do(database, RESOLVE, resolved, resolved)
    do(database, PAY)
    first = DAY.date()
    wish = Wish(first, first.replace(day=2), None)
    export(database, tmp_path / "release", wish, lambda *_: None)
    return tmp_path


def shown(cell: Any) -> str:
    """Return the text that a cell shows."""
    texts = [each["data"].get("text/plain", "") for each in cell.outputs if "data" in each]
    return "\n".join(texts)


def figures(text: str) -> list[float]:
    """Return the numbers in the last row of a table."""
    row = text.rsplit("╞", maxsplit=1)[-1].splitlines()[1]
    return [float(each.replace("_", "")) for each in re.findall(r"[\d_.]*\d", row)]


@pytest.mark.db
def test_every_block_runs_and_shows_what_the_page_says(place: Path) -> None:
    made = tutorial.notebook()
    for cell in made.cells:
        if "today" in cell.source and cell.cell_type == "code":
            cell.source = cell.source.replace('"today"', '"2026-03-01"')
            cell.source = cell.source.replace('"tomorrow"', '"2026-03-02"')

    tutorial.carry_out(made, place)

    shows = [shown(cell) for cell in made.cells if cell.cell_type == "code"]
    trades, markets, with_label, listened = figures(shows[1])
    assert trades > 2_000
    assert markets > 10
    assert (with_label, listened > 0.9) == (1.0, True)
    assert re.search("process_down|exchange_silent|disconnected", shows[3])  # of the picture
    learnt, tested, *errors = figures(shows[4])
    assert learnt > tested > 0
    assert all(0 < error < 1 for error in errors)
    assert (place / "tutorial.png").read_bytes().startswith(b"\x89PNG")


def test_the_notebook_is_the_page_carried_out() -> None:
    saved = nbformat.read(tutorial.NOTEBOOK, as_version=4)
    made = tutorial.notebook()

    nbformat.validate(saved)
    assert [each.source for each in saved.cells] == [each.source for each in made.cells]
    code = [each for each in saved.cells if each.cell_type == "code"]
    assert all(each.outputs for each in code)
    kinds = {output.output_type for each in code for output in each.outputs}
    assert "error" not in kinds
    assert "process_down" in "".join(map(shown, code))


@pytest.mark.parametrize("line", [
    line for block in tutorial.blocks("sh") for line in block.splitlines() if "bin/" in line
])  # fmt: skip
def test_each_option_that_the_page_uses_exists(line: str) -> None:
    program, *words = shlex.split(line, comments=True)
    said = subprocess.run(
        [sys.executable, program, "--help"], cwd=tutorial.ROOT, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip

    options = [word for word in words if word.startswith("--")]
    assert options
    assert [each for each in options if not re.search(rf"{each}\b", said)] == []


def test_each_target_that_the_page_makes_exists() -> None:
    targets = re.findall(r"^make (\w+)", "\n".join(tutorial.blocks("sh")), re.MULTILINE)
    makefile = (tutorial.ROOT / "Makefile").read_text()

    assert set(targets) == {"demo", "dataset"}
    assert all(re.search(rf"^{each}: ", makefile, re.MULTILINE) for each in targets)
