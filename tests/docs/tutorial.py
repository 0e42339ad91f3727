"""Writes docs/tutorial.ipynb and its picture: what docs/tutorial.md says, carried out.

Usage: python -m tests.docs.tutorial

The page is the only source: its blocks of Python become the cells, its text what stands between
them. Two demos of the simulator are recorded and exported as the page says, which takes five
minutes; the cells run in the folder with that release.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode, v4

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")
PICTURE = ROOT / "docs" / "images" / "tutorial.png"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")
_CELL_S = 300


def blocks(language: str) -> list[str]:
    """Return the blocks of a language that the page has, in their order."""
    return [code for each, code in _BLOCK.findall(PAGE.read_text()) if each == language]


def cells() -> Iterator[NotebookNode]:
    """Yield the cells of the notebook, without output."""
    text, code = [], ""
    # Two groups in the pattern: split gives text, language, code, text, language, …
    parts = _BLOCK.split(PAGE.read_text())
    for place, part in enumerate(parts):
        language = parts[place - 1] if place % 3 == 2 else ""
        if place % 3 == 0:
            text.append(part)
        elif language == "python":
            yield from _text_cell("".join(text))
            text, code = [], part
            yield v4.new_code_cell(code.rstrip("\n"))
        elif language:
            text.append(f"```{language}\n{part}```")
    yield from _text_cell("".join(text))


def _text_cell(text: str) -> Iterator[NotebookNode]:
    # The picture is the output of the cell before it.
    text = re.sub(r"^!\[.*\]\(.*\)$", "", text, flags=re.MULTILINE).strip()
    if text:
        yield v4.new_markdown_cell(text)


def notebook() -> NotebookNode:
    """Return the notebook without output."""
    made: NotebookNode = v4.new_notebook(cells=list(cells()))
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    return made


def carry_out(made: NotebookNode, place: Path) -> None:
    """Run all cells in a folder that has the release.

    Raises:
        CellExecutionError: One of them failed.
    """
    before = dict(os.environ)
    # The kernel finds the project by the path, and writes its settings (history, fonts) where
    # nothing of the user's is.
    with tempfile.TemporaryDirectory(prefix="kernel-") as own:
        os.environ |= {
            "PYTHONPATH": str(ROOT),
            "IPYTHONDIR": own,
            "JUPYTER_RUNTIME_DIR": own,
            "MPLCONFIGDIR": own,
            "POLARS_FMT_MAX_COLS": "8",
        }
        try:
            client = NotebookClient(
                made, timeout=_CELL_S, kernel_name="python3", record_timing=False
            )
            client.execute(cwd=str(place))
        finally:
            os.environ.clear()
            os.environ.update(before)


def _run(*command: str) -> None:
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=sys.stderr)


def main() -> None:
    """Record, export, carry out, and write notebook and picture."""
    with tempfile.TemporaryDirectory(prefix="tutorial-") as name:
        place = Path(name)
        place.chmod(0o755)  # root's database server runs as another user
        for _ in range(2):
            _run("bin/tracker", "--demo", "--state-dir", name, "--duration", "120")
        database = str(place / "demo" / "tracker")
        release = str(place / "release")
        _run("bin/tracker-export", "--state-dir", database, "--from", "today", "--out", release)
        made = notebook()
        carry_out(made, place)
        PICTURE.write_bytes((place / "tutorial.png").read_bytes())
    nbformat.write(made, NOTEBOOK)


if __name__ == "__main__":
    main()
