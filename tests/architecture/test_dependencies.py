"""Nothing is imported that setup.cfg does not declare, and nothing is declared that nobody uses.

Faults: a package that another one brought along is imported, and is gone, or too old, as soon as
that one changes; a server installs what nobody needs any more; a tool is run and not declared.
"""

import ast
import configparser
import functools
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.bench.rivals_venv import NAMES as RIVALS

ROOT = Path(__file__).parents[2]
IMPORTED_AS = {
    "adbc-driver-postgresql": "adbc_driver_postgresql",
    "polymarket-client": "polymarket",
    "pycryptodome": "Crypto",
    "python-json-logger": "pythonjsonlogger",
    "websocket-client": "websocket",
}
"""Packages whose module is not called as they are; elsewhere `-` is `_`."""

RUN = {
    "coverage": ("Makefile", "$(BIN)/coverage report"),
    "import-linter": ("Makefile", "$(BIN)/lint-imports"),
    "mypy": ("Makefile", "$(BIN)/mypy"),
    "pytest-cov": ("Makefile", "--cov-report="),
    "pytest-timeout": ("setup.cfg", "\ntimeout = "),
    "pytest-xdist": ("Makefile", "TWO := -n 2"),
    "ruff": ("Makefile", "$(BIN)/ruff check"),
    "setuptools": ("pyproject.toml", 'requires = ["setuptools'),
    "types-requests": ("actors/polymarket/http.py", "import requests"),  # its types, for mypy
}
"""Packages that are used and not imported: where, and by which words."""

RUN_BY_BENCH = {"py-spy": ("tests/bench/rivals_venv.py", "py-spy")}


def module(package: str) -> str:
    return IMPORTED_AS.get(package, package.replace("-", "_"))


def modules(packages: Iterable[str]) -> set[str]:
    return {module(package) for package in packages}


def declared(section: str, key: str) -> set[str]:
    """Return the packages that setup.cfg names there."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = (line for line in setup[section][key].splitlines() if line)
    return {re.split(r"[^\w-]", line)[0] for line in lines if line[0] != "#"}


RUNNING = declared("options", "install_requires")
EMBEDDED, SIMULATOR, DATASET, DEV = (
    declared("options.extras_require", extra)
    for extra in ("embedded", "simulator", "dataset", "dev")
)
BROUGHT = {"adbc_driver_manager"}
"""Modules of a package that another one consists of."""
OF_REPORTS = {"matplotlib"}
"""Of the extra `dataset`: the drawings of tracker-report."""
NOTEBOOK = {"ipykernel", "nbclient", "nbformat"}
"""By which the notebook of the tutorial is run."""
OPTIONAL = {"duckdb"}
"""Modules that are imported where a user has them, who asks for them by name."""


def local(place: str) -> set[str]:
    """Return what of ours may be imported there: an installed tracker has no `tests`."""
    return {"actors", "tests"} if place.partition("/")[0] == "tests" else {"actors"}


def named(node: ast.AST) -> Iterator[str]:
    """Return the modules that this piece of source asks for."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=str(name), level=0):
            yield name
        case ast.Call(func=ast.Attribute(attr="find_spec" | "import_module" | "importorskip")):
            match node.args:
                case [ast.Constant(value=str(name)), *_]:
                    yield name


def others(source: str, place: str) -> set[str]:
    """Return the modules of others that a piece of source below this place imports."""
    nodes = ast.walk(ast.parse(source))
    tops = {name.partition(".")[0] for node in nodes for name in named(node)}
    return tops - local(place) - sys.stdlib_module_names


@functools.cache
def others_of(path: Path, place: str) -> set[str]:
    """Return the same of a file."""
    return others(path.read_text(), place)


def imported(place: str, *but: str) -> set[str]:
    """Return the modules of others that are imported below this place."""
    left_out = {ROOT / each for each in but}
    sources = [path for path in (ROOT / place).rglob("*.py") if left_out.isdisjoint(path.parents)]
    if place == "actors":
        sources += (ROOT / "bin").iterdir()
    return set().union(*(others_of(path, place.partition("/")[0]) for path in sources))


def test_what_a_tracker_imports_is_what_a_server_installs() -> None:
    found = imported("actors", "actors/simulator", "actors/dataset")
    assert found == modules(RUNNING | EMBEDDED)


def test_what_a_data_set_needs_besides_is_what_its_extra_installs() -> None:
    found = imported("actors/dataset") - BROUGHT - OPTIONAL
    assert found - modules(RUNNING) <= modules(DATASET)
    assert modules(DATASET) - found <= OF_REPORTS


def test_of_the_project_itself_a_tracker_imports_only_what_is_installed() -> None:
    source = "from actors import model\ndef f():\n    from tests.clocks import Clock\n"

    assert others(source, "actors/feed") == {"tests"}
    assert others(source, "tests/feed") == set()


def test_what_the_simulator_imports_besides_is_what_its_extra_installs() -> None:
    assert imported("actors/simulator") - modules(RUNNING) == modules(SIMULATOR)


def test_what_tests_import_besides_is_what_a_developer_installs() -> None:
    known = modules(RUNNING | EMBEDDED | SIMULATOR | DATASET | set(RIVALS))
    found = imported("tests", "tests/bench/rivals") - known
    assert found - NOTEBOOK == modules(DEV - RUN.keys()) - NOTEBOOK
    assert not RUN.keys() - DEV


def test_what_the_rivals_import_is_what_their_venv_has() -> None:
    used = imported("tests/bench")
    assert modules(set(RIVALS) - RUN_BY_BENCH.keys()) <= used
    assert used <= modules(RUNNING | EMBEDDED | SIMULATOR | DATASET | DEV | set(RIVALS))
    assert imported("tests", "tests/bench") & modules(RIVALS) <= modules(RUNNING | DATASET)


@pytest.mark.parametrize(("package", "use"), [*RUN.items(), *RUN_BY_BENCH.items()])
def test_a_package_that_is_not_imported_is_used_where_the_table_says(
    package: str, use: tuple[str, str]
) -> None:
    place, words = use
    assert words in (ROOT / place).read_text(), package


def test_every_tool_that_make_runs_is_declared() -> None:
    makefile = (ROOT / "Makefile").read_text()
    tools = set(re.findall(r"\$\(BIN\)/(\w[\w-]*)", makefile)) - {"pip", "python"}
    assert tools
    assert tools <= {words.split()[0].removeprefix("$(BIN)/") for _, words in RUN.values()}


def test_every_package_has_its_line_in_the_page() -> None:
    page = (ROOT / "docs" / "reference" / "dependencies.md").read_text()
    running, _, rest = page.partition("## Extras")
    extras, _, developing = rest.partition("## For development")
    rows = re.compile(r"^\| ([\w-]+)", re.MULTILINE)
    assert {*rows.findall(running)} - {"package"} == RUNNING
    assert {*rows.findall(extras)} - {"package"} == EMBEDDED | SIMULATOR | DATASET
    assert {*re.findall(r"[\w-]+", developing)} >= DEV
