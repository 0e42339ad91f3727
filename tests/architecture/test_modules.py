"""The tree stays one that people find their way in: small folders, no import circles."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACTORS = ROOT / "actors"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ACTORS.rglob("*.py"))
}
MOST_IN_A_FOLDER = 16
MOST_IN_THE_SIMULATOR = 18
LONGEST_MODULE = 450
"""Lines; a longer module has two subjects. `messages.py` is one list, and has none."""


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a module imports when it is loaded."""
    tree = ast.parse(path.read_text())
    for node in tree.body:  # imports inside of functions and of TYPE_CHECKING are not loaded
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES.values(), ids=str)
def test_every_module_says_what_it_is_and_is_not_too_long(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('"""')
    assert text.count("\n") <= LONGEST_MODULE or path.name == "messages.py"


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()}), ids=str)
def test_no_folder_has_too_many_modules(folder: Path) -> None:
    most = MOST_IN_THE_SIMULATOR if folder.name == "simulator" else MOST_IN_A_FOLDER
    assert len(list(folder.glob("*.py"))) <= most


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {
        name: {other for other in imported(path) if other in MODULES and other != name}
        for name, path in MODULES.items()
    }
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert sum(map(len, graph.values())) > len(MODULES)
    plain = {name: others - packages for name, others in graph.items()}
    assert len(list(graphlib.TopologicalSorter(plain).static_order())) >= len(MODULES) - 1
