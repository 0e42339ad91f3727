"""What several folders of tests share: a database server and databases of it.

The server is the one that TRACKER_TEST_DATABASE_URL names (its role must be
allowed to create databases), else an embedded one in a folder that goes away, in memory
where there is space.

Hypothesis tries the same inputs every time; `--hypothesis-profile=explore` has it
look for others, which `make torture` does.
"""

import contextlib
import gc
import importlib
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from uuid import UUID

import hypothesis
import pytest

from actors.database.schema import migrate
from actors.database.server.embedded import Embedded
from actors.database.store import Store
from tests.architecture import deciding
from tests.postgres import FAST, Server, memory, name_of, open_folder

TESTS = Path(__file__).parent
DECIDING = {name.split(".")[1] for name in deciding.modules()}
"""Packages of `actors` with a deciding module."""
ONLY_LIVE = ("not long and live and not alone", "not long and alone")
"""What the Makefile says for the live tests."""

# What a test makes is for the tracker to write to, which rejects what a group may write to as well.
os.umask(0o022)

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", derandomize=False, print_blob=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Undo what a program that ran within the test has set for all loggers."""
    root = logging.getLogger()
    level, handlers = root.level, set(root.handlers)
    yield
    root.setLevel(level)
    for each in set(root.handlers) - handlers:
        if type(each).__module__ == "actors.process.logs":
            root.removeHandler(each)


@contextlib.contextmanager
def _unmeasured() -> Iterator[None]:
    """Measure no coverage within."""
    measuring = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(measuring)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect without measuring coverage: to trace it takes as long as all the rest of it.

    What is measured of an import are the lines that run while a module is imported, so the
    deciding modules are imported before. What is collected stays until the end, so the garbage
    collector has nothing to find in it.
    """
    if session.config.pluginmanager.hasplugin("_cov"):
        for path in deciding.files():
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            importlib.import_module(name)
    gc.disable()
    try:
        with _unmeasured():
            return (yield)
    finally:
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no module without a live test when those alone are wanted: most of them have none."""
    is_module = collection_path.suffix == ".py" and config.option.markexpr in ONLY_LIVE
    return (is_module and not _names_live(collection_path)) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Raise when a live test would not be found then."""
    for path in {item.path for item in items if item.get_closest_marker("live")}:
        if not _names_live(path):
            raise pytest.UsageError(f"{path}: say `pytest.mark.live` in the file of a live test")


def _names_live(path: Path) -> bool:
    return "pytest.mark.live" in path.read_text()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure only tests without a database that stand in a package with a deciding module.

    Deciding modules know no database, and have tests of their own in the package of their name.
    """
    package, is_measured = item.path.relative_to(TESTS).parts[0], not item.get_closest_marker("db")
    if item.get_closest_marker("no_cover") or (is_measured and package in DECIDING):
        return (yield)
    with _unmeasured():
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Measure nothing of a test that is marked `no_cover`.

    pytest-cov stops its own measuring then, and in the processes of pytest-xdist a second one below
    that goes on. It begins anew behind this, so what stood here around more than the call would put
    back what has ended.
    """
    if item.get_closest_marker("no_cover") is None:
        return (yield)
    with _unmeasured():
        return (yield)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Return a server; databases of it are made and dropped by the tests."""
    named = os.environ.get("TRACKER_TEST_DATABASE_URL")
    if named:
        yield Server(named)
        return
    with open_folder(memory()) as root:
        embedded = Embedded(root / "pg", options=FAST)
        try:
            embedded.start()
            yield Server(embedded.dsn("postgres"))
        finally:
            embedded.stop()


@pytest.fixture(scope="session")
def template(server: Server) -> Iterator[str]:
    """Return the name of a migrated database, to be cloned."""
    with server.database() as dsn:
        migrate.apply(dsn)
        yield name_of(dsn)


@pytest.fixture
def database(server: Server, template: str) -> Iterator[str]:
    """Return the address of a migrated database without rows."""
    with server.database(template) as dsn:
        yield dsn


@pytest.fixture
def empty_database(server: Server) -> Iterator[str]:
    """Return the address of a database without a schema."""
    with server.database() as dsn:
        yield dsn


@pytest.fixture
def journal_id() -> UUID:
    """Return the journal that `store` has opened."""
    return UUID(int=1)


@pytest.fixture
def open_store(database: str) -> Iterator[Callable[[UUID], Store]]:
    """Return what opens a store for a journal; all are closed afterwards."""
    opened: list[Store] = []

    def open_one(journal_id: UUID) -> Store:
        opened.append(Store(database))
        opened[-1].open(journal_id)
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def store(open_store: Callable[[UUID], Store], journal_id: UUID) -> Store:
    """Return an open store."""
    return open_store(journal_id)


@pytest.fixture(scope="session")
def timescale_server() -> Server:
    """Return the server that has TimescaleDB."""
    named = os.environ.get("TRACKER_TEST_TIMESCALE_URL")
    if not named:
        pytest.skip("needs a server with TimescaleDB, named by TRACKER_TEST_TIMESCALE_URL")
    return Server(named)
