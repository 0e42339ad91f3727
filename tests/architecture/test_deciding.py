"""The list of the deciding modules is complete; they read no clock; their branches are counted."""

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.deciding import ROOT, files, judge, modules, pattern

SORTED_PACKAGES = (
    "feed",
    "catalog",
    "resolution",
    "writer",
    "supervision",
    "model",
    "health",
    "journal",
    "polymarket",
    "network",
    "transport",
)
"""Packages of which each module is in the list of setup.cfg or in the table below."""

NOT_DECIDING = {
    "feed.actor": "the actor itself",
    "feed.epoch": "writes to the journal",
    "feed.questions": "asks over HTTP",
    "feed.report": "sends to actors, and logs",
    "audit.actor": "the actor itself",
    "audit.asking": "a thread",
    "audit.stream": "the actor itself",
    "catalog.actor": "the actor itself",
    "resolution.actor": "the actor itself",
    "resolution.asking": "threads",
    "catalog.outbox": "sends to an actor",
    "resolution.outbox": "sends to actors, and logs",
    "resolution.under_way": "has the threads asked",
    "writer.actor": "the actor itself",
    "writer.catchup": "reads the journal",
    "writer.latest": "sends to an actor",
    "writer.questions": "calls the database, and sends to actors",
    "writer.notify": "sends to actors, and logs",
    "writer.upkeep": "calls the database",
    "supervision.actor": "the actor itself",
    "supervision.children": "starts and stops actors",
    "supervision.connection_log": "writes to the journal, and logs",
    "supervision.connections": "starts and stops actors",
    "supervision.monitor": "sends to actors, and logs",
    "supervision.wishes": "writes to the journal",
    "health.metrics": "an HTTP server",
    "health.web.server": "an HTTP server",
    "health.web.page": "answers HTTP requests",
    "health.status_socket": "a socket and its thread",
    "journal.active_segment": "files",
    "journal.appender": "files and a thread",
    "journal.directory": "files",
    "journal.filesystem": "files",
    "journal.inspection": "files",
    "journal.journal": "files and a thread",
    "journal.marker_files": "files",
    "journal.presence": "files",
    "journal.reader": "files and a lock",
    "journal.recorder": "writes to the journal",
    "journal.segment": "files",
    "network.connect": "sockets and threads",
    "network.stream": "a socket",
    "network.tls": "a socket",
    "polymarket.client": "HTTP",
    "polymarket.http": "HTTP",
    "polymarket.witness.client": "HTTP",
    "polymarket.timing": "a lock",
    "polymarket.contract.nodes": "HTTP",
    "transport.feed_socket": "a socket",
    "transport.handshake": "a socket",
    "transport.listener": "a socket and a thread",
    "transport.reactor": "sockets and a thread",
}
"""The modules that do not decide, and why not."""

CLOCKS = {"now", "today", "utcnow"}


def modules_of(package: str) -> set[str]:
    """Return the modules of a package; `__init__` holds nothing, see `test_modules.py`."""
    paths = (ROOT / "actors" / package).rglob("*.py")
    return {
        ".".join(path.relative_to(ROOT / "actors").with_suffix("").parts)
        for path in paths
        if path.name != "__init__.py"
    }


def clocks_read(source: str) -> list[str]:
    """Return the calls in a piece of source that ask what time it is."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
    ]


def document(**branches: tuple[int, int]) -> dict[str, Any]:
    """Return a document of `coverage json`: covered and all branches of each module."""
    return {
        "files": {
            f"actors/{name}.py": {"summary": {"covered_branches": covered, "num_branches": number}}
            for name, (covered, number) in branches.items()
        }
    }


@pytest.mark.parametrize("name", modules())
def test_a_module_of_the_list_is_there(name: str) -> None:
    place = ROOT.joinpath(*name.split("."))
    assert place.is_dir() or place.with_suffix(".py").is_file()


def test_the_pattern_names_files_that_are_there() -> None:
    for part in pattern().split(","):
        assert list(Path(ROOT).glob(part)), part


@pytest.mark.parametrize("package", SORTED_PACKAGES)
def test_each_module_decides_or_the_table_says_why_not(package: str) -> None:
    listed = {name.removeprefix("actors.") for name in modules()}
    there = set() if package in listed else modules_of(package)
    table = {name for name in NOT_DECIDING if name.partition(".")[0] == package}
    in_list = {name for name in listed if name.startswith(f"{package}.")}

    assert not in_list & table, "in the list of setup.cfg and in the table"
    assert there - in_list - table == set(), "name it in setup.cfg, or in NOT_DECIDING"
    assert table - there == set(), "gone"


def test_no_deciding_module_asks_what_time_it_is() -> None:
    asked = {name: clocks_read((ROOT / name).read_text()) for name in files()}

    assert {name: calls for name, calls in asked.items() if calls} == {}


def test_a_call_of_a_clock_is_found() -> None:
    source = "def f(tick):\n    return tick.now, datetime.now(UTC), date.today()\n"

    assert clocks_read(source) == ["datetime.now(UTC)", "date.today()"]


def test_branches_are_judged_and_statements_are_not() -> None:
    said, enough = judge(document(a=(95, 100), b=(0, 0)), ["actors/a.py", "actors/b.py"])

    assert enough
    assert said == "Deciding modules: 95 of 100 branches are covered (95.0 %, at least 95 %)."


def test_too_few_branches_fail_though_they_would_be_rounded_up() -> None:
    said, enough = judge(document(a=(94_999, 100_000)), ["actors/a.py"])

    assert not enough
    assert "94999 of 100000" in said
    assert "FAILED" in said


def test_a_module_far_below_the_others_is_named() -> None:
    said, enough = judge(document(a=(990, 990), b=(8, 10)), ["actors/a.py", "actors/b.py"])

    assert enough
    assert "Below 90 %: actors/b.py 8 of 10." in said


def test_a_module_that_is_not_in_the_list_does_not_count() -> None:
    said, enough = judge(document(a=(10, 10), other=(0, 90)), ["actors/a.py"])

    assert enough
    assert "10 of 10" in said


@pytest.mark.parametrize("measured", [{}, {"files": {}}, document(b=(1, 1))])
def test_a_module_without_figures_fails(measured: dict[str, Any]) -> None:
    said, enough = judge(measured, ["actors/a.py"])

    assert not enough
    assert "no figures of actors/a.py" in said


def test_figures_without_branches_fail() -> None:
    measured = {"files": {"actors/a.py": {"summary": {"covered_lines": 1}}}}

    assert not judge(measured, ["actors/a.py"])[1]
    assert not judge(document(a=(0, 0)), ["actors/a.py"])[1]


def test_the_files_of_the_list_are_all_modules_that_decide() -> None:
    assert "actors/backoff.py" in files()
    assert "actors/model/trade.py" in files()
    assert "actors/feed/subscription.py" in files()
    assert "actors/feed/actor.py" not in files()
