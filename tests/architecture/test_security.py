"""docs/explanation/security.md names tests that exist, and what it says of the source is so."""

import ast
import io
import json
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from actors.cli import status_table
from actors.database import queries
from actors.database.store import Store
from actors.health.metrics import Metrics
from actors.journal.journal import Journal
from actors.model.storage import Batch
from actors.process import logs
from tests.cli.status_samples import health
from tests.database.samples import market
from tests.postgres import ask

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text()
SOURCES = sorted((ROOT / "actors").rglob("*.py"))
CHILDREN = {"embedded.py", "postgres_binaries.py", "shell.py", "demo_processes.py"}
"""Modules that start programs: the embedded database, psql, the demo."""

OPENS = {
    *("files.py", "filesystem.py", "folder.py", "ledger.py", "main.py", "output.py"),
    *("program.py", "release.py"),
}
"""Modules that open or make something by a call of the system: that of our files; for the names
above the journal, to sync them; for the folders of the database's user; the simulator, which shares
no code with us; for /dev/null in place of an output that was closed; for a report, or a release
of the data, which are where a person says, and for others to read."""

HOSTILE = (
    "'; drop table trades; --",
    "%s %(x)s {0} {secret} $1 \\",
    "\x1b[2J\x1b]0;owned\x07 \x9b31m",
    'x"}\n{"event": "forged"}',
    "[red]bold[/red] [/] [link=file:///etc/passwd]",
    "\u202e evil \u2066 \u200b \ufeff \u061c \u00ad \u3164 \U000e0041",
    "\x00 \ud800 \U0010ffff",
    "=cmd|' /C calc'!A0",
    "a" * 100_000,
)


FOREIGN = (
    ("connections", "last_failure"),
    ("database", "server"),
    ("database", "reason"),
    ("catalog", "last_error"),
    ("catalog", "keyset_error"),
)
"""Texts of the status that others may have chosen, beside the reasons of connections."""


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def names(path: Path) -> set[str]:
    return set(re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE))


Nodes = list[tuple[str, ast.AST]]


@pytest.fixture(scope="module")
def nodes() -> Nodes:
    """Return all of the source, and the file of each piece."""
    return [(path.name, node) for path in SOURCES for node in ast.walk(ast.parse(path.read_text()))]


def test_every_line_names_tests_and_all_of_them_exist() -> None:
    there = set().union(*(names(path) for path in (ROOT / "tests").rglob("test_*.py")))
    lines = [
        line for line in PAGE.splitlines() if line.startswith("| ") and "| held by |" not in line
    ]
    assert len(lines) > 25
    for line in lines:
        named = set(re.findall(r"`(test_\w+)`", line.split("|")[-2]))
        assert named, line
        assert named <= there, named - there


def test_the_source_starts_no_shell_and_evaluates_nothing(nodes: Nodes) -> None:
    for file, node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            said = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            assert not {"pickle", "marshal", "shelve", "pty"} & set(said), file
            assert "subprocess" not in said or file in CHILDREN, file
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "compile", "os.system", "os.fork", "os.popen"), (
                file
            )
            assert "shell" not in {word.arg for word in node.keywords}, file


def test_files_are_written_by_one_module_alone(nodes: Nodes) -> None:
    for file, node in nodes:
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            name = called.rpartition(".")[2]
            assert name not in ("write_text", "write_bytes", "touch", "chown", "lchown"), file
            assert called not in ("os.open", "os.mkdir") or file in OPENS, file
            assert name != "mkdir" or file in OPENS, f"{file}:{node.lineno}"
            assert not set("wax+") & set(mode_of(node, name)), f"{file}:{node.lineno}"


def mode_of(call: ast.Call, name: str) -> str:
    """Return the mode in which a call opens a file by its path; "" if it opens none."""
    if name != "open":
        return ""
    given = [word.value for word in call.keywords if word.arg == "mode"]
    # `open(path, mode)`, and `path.open(mode)`.
    given += call.args[1:2] if isinstance(call.func, ast.Name) else call.args[:1]
    texts = (each.value for each in given if isinstance(each, ast.Constant))
    return "".join(text for text in texts if isinstance(text, str))


def test_a_file_that_is_opened_by_its_path_is_found() -> None:
    for source in ("open(p, 'wb')", "p.open('ab')", "p.open(mode='x')", "open(p, mode='r+')"):
        (call,) = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
        assert set("wax+") & set(mode_of(call, "open")), source


CONNECTS = re.compile(
    r"ssl\.(SSLContext|create_\w+|wrap_\w+)|(socket|websocket)\.create_connection|(\w+\.)*urlopen"
)


def test_one_module_connects_to_the_world() -> None:
    tracker = [path for path in SOURCES if "simulator" not in path.parts]
    makers, users = set(), set()
    for path in tracker:
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and CONNECTS.fullmatch(ast.unparse(node.func))
            if called or (isinstance(node, ast.Attribute) and node.attr == "getaddrinfo"):
                makers.add(f"{path.parent.name}/{path.name}")
            if isinstance(node, ast.ImportFrom) and node.module == "actors.network.connect":
                users.add(f"{path.parent.name}/{path.name}")
    assert makers == {"network/connect.py"}
    deadlines = {"network/stream.py", "transport/listener.py"}  # of this module no more
    assert users == {*deadlines, "polymarket/http.py", "transport/handshake.py"}


def test_the_journal_is_for_its_user_alone(tmp_path: Path) -> None:
    place = tmp_path / "journal"
    journal = Journal.open(place, sync_interval_s=0.02, max_bytes=1 << 30)
    journal.append(b"x")
    journal.close()
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}


def test_each_session_with_the_database_finds_nothing_that_others_have_planted() -> None:
    opening = {
        path.name: text
        for path in SOURCES
        if re.search(r"\b(psycopg|ReportingConnection)\.connect\(", text := path.read_text())
    }
    assert opening
    # Nor is one given a password in clear text: the address of the judge comes from the demo.
    careful = {name for name, text in opening.items() if re.search(r"permitted\(|prepare\(", text)}
    assert (
        careful
        == {"session.py", "embedded.py", "demo_dir.py", "demo_result.py", "psql.py"}
        | {"snapshot.py", "source.py"}
        == {*opening} - {"pooling.py", "judge.py"}
    )
    # They ask one question each, in which each name has its schema.
    for module, name in (("pooling.py", "SELECT_PLACE"), ("psql.py", "SELECT_PATH")):
        assert re.findall(r"queries\.\w+", opening.pop(module)) == [f"queries.{name}"]
        assert re.findall(r"(?<!\.)\b\w+\(", getattr(queries, name).decode()) == []
    for name, text in opening.items():
        connects = len(re.findall(r"\.connect\(", text))
        fixed = len(re.findall(r"SET_SEARCH_PATH|SET search_path|options=path", text))
        assert fixed == connects, name


@pytest.mark.live
def test_metrics_are_served_on_loopback_alone() -> None:
    metrics = Metrics(0, lambda: b"{}")
    try:
        with socket.socket() as other:
            other.settimeout(5)
            # Another address of this very host: taken only by who listens on all of them.
            assert other.connect_ex(("127.0.0.2", metrics.port)) != 0
    finally:
        metrics.close()


@pytest.mark.db
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_market_of_hostile_texts_is_only_text(store: Store, database: str, text: str) -> None:
    store.commit(Batch(markets=(market(question=text, slug=text, tags=(text,)),)))
    kept = text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert ask(database, "select question, slug from markets") == [(kept, kept)]
    assert ask(database, "select count(*) from trades") == [(0,)]

    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    logging.getLogger("actors.test").info("market_resolved", extra={"condition_id": text})
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "market_resolved"
    assert line.isprintable()

    shown = io.StringIO()
    status = health(live=False, reason=text)
    for section, field in FOREIGN:
        status[section][field] = text
    Console(file=shown, width=80, force_terminal=True).print(status_table.render(status))
    assert not re.search(
        "[\x07\x9b\u202e\u2066\u061c\u3164\ud800]|\x1b\\[2J|\x1b\\]", shown.getvalue()
    )
