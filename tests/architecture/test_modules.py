"""The tree stays one that people find their way in: small folders, no import circles."""

import ast
import configparser
import functools
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
MOST_IN_A_FOLDER = 17
MOST_IN_THE_SIMULATOR = 18
NAMED = {
    "dataset": [
        "from actors.dataset.frames import Dataset as Dataset",
        "from actors.dataset.split import split as split",
    ]
}
"""What people import from a package itself."""
LONGEST_MODULE = 450
"""Lines; a longer module has two subjects. `messages.py` is one list, and has none."""


def contract(name: str) -> configparser.SectionProxy:
    """Return a contract of import-linter in setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup[f"importlinter:contract:{name}"]


def imported(source: str, package: str) -> Iterator[str]:
    """Yield what the source of a module imports anywhere in it, also where only types are asked.

    Args:
        source: The text of the module.
        package: The package that the module is in; for an `__init__.py`, the package itself.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = (above if node.level else []) + ([node.module] if node.module else [])
            yield ".".join(parts)
            yield from (".".join((*parts, alias.name)) for alias in node.names)


@functools.cache
def imports(source: str, package: str) -> frozenset[str]:
    return frozenset(imported(source, package))


def graph_of(sources: dict[str, tuple[str, bool]]) -> dict[str, set[str]]:
    """Return which modules each module imports.

    Packages are left out of what is imported: an `__init__.py` holds nothing but its docstring.

    Args:
        sources: The text of each module, and whether it is a package.
    """
    plain = {name for name, (_, is_package) in sources.items() if not is_package}
    graph = {}
    for name, (source, is_package) in sources.items():
        package = name if is_package else name.rpartition(".")[0]
        graph[name] = {other for other in imports(source, package) if other in plain} - {name}
    return graph


def circle(sources: dict[str, tuple[str, bool]]) -> list[str]:
    """Return the modules of a circle of imports; none if there is none."""
    try:
        graphlib.TopologicalSorter(graph_of(sources)).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def held(path: Path) -> list[str]:
    """Return the statements of a module that are neither its docstring nor its version."""
    first, *others = ast.parse(path.read_text()).body
    assert isinstance(first, ast.Expr)
    return [said for node in others if not (said := ast.unparse(node)).startswith("__version__ = ")]


@pytest.mark.parametrize("path", MODULES.values(), ids=str)
def test_every_module_says_what_it_is_and_is_not_too_long(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('"""')
    assert text.count("\n") <= LONGEST_MODULE or path == ACTORS / "messages.py"


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()}), ids=str)
def test_no_folder_has_too_many_modules(folder: Path) -> None:
    most = MOST_IN_THE_SIMULATOR if folder.name == "simulator" else MOST_IN_A_FOLDER
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= most


def test_no_module_imports_itself_in_a_circle() -> None:
    sources = {
        name: (path.read_text(), path.name == "__init__.py") for name, path in MODULES.items()
    }

    assert circle(sources) == []
    assert sum(map(len, graph_of(sources).values())) > len(MODULES)


@pytest.mark.parametrize(
    "source",
    [
        "import p.b",
        "from p import b",
        "from p.b import x",
        "from .b import x",
        "from . import b",
        "from ..p import b",
        "def f():\n    from p import b",
        "try:\n    import p.b\nexcept ImportError:\n    pass",
        "if TYPE_CHECKING:\n    from p.b import x",
        "if TYPE_CHECKING:\n    from .b import x",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(source: str) -> None:
    sources = {"p": ('"""P."""', True), "p.a": (source, False), "p.b": ("from . import a", False)}

    assert set(circle(sources)) == {"p.a", "p.b"}
    assert circle(sources | {"p.b": ("import os", False)}) == []


def test_a_relative_import_is_read_from_where_it_stands() -> None:
    assert list(imported("from . import x", "p.q")) == ["p.q", "p.q.x"]
    assert list(imported("from ..r import x", "p.q")) == ["p.r", "p.r.x"]
    assert list(imported("from .. import r", "p.q")) == ["p", "p.r"]


@pytest.mark.parametrize(
    "path", [path for path in MODULES.values() if path.name == "__init__.py"], ids=str
)
def test_a_package_holds_only_its_docstring(path: Path) -> None:
    assert held(path) == NAMED.get(path.parent.name, [])
    versions = path.read_text().count("\n__version__ = ")
    assert versions == (1 if path.parent == ACTORS else 0)


def test_the_contract_of_the_actors_names_every_package_of_their_layer() -> None:
    layers = contract("layers")["layers"].split("\n")
    (theirs,) = [layer for layer in layers if "feed" in layer]
    named = contract("actors-touch-no-world")["source_modules"].split()

    assert [f"actors.{package.strip()}" for package in theirs.split("|")] == named


def test_simulator_and_tracker_are_kept_apart_in_both_directions() -> None:
    tracker = {name for name in MODULES if name.count(".") == 1} - {"actors.simulator"}

    assert {*contract("simulator-stands-alone")["forbidden_modules"].split()} == tracker
    assert {*contract("tracker-stands-alone")["source_modules"].split()} == tracker
