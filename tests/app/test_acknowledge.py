"""`tracker --acknowledge`: what a person decided about ends, and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode
from uuid import UUID

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from actors.app.acknowledge import acknowledge
from actors.config.load import Config, Invocation, Mode, load
from actors.database.commands.acknowledge import acknowledge as end_contradictions
from actors.database.schema import migrate
from actors.database.schema.migration_files import MAY_WRITE, MIGRATIONS, MUST_NOT_WRITE
from actors.database.store import Store
from actors.errors import ConfigError, SchemaMismatch, StoreUnavailable
from actors.model.market import Contradiction, ContradictionKind, Source
from actors.model.storage import Batch
from actors.model.trade import ConditionId
from tests.database.samples import CONDITION, market, ns, resolution, trade
from tests.postgres import ask, do

OTHER = ConditionId("0x" + "b2" * 32)
ROWS = "select kind, cleared_by, cleared_at is null from resolution_conflicts order by 1, 2"


def asked(url: str, *argv: str) -> Invocation:
    return load(argv, {"TRACKER_DATABASE_URL": url})


def as_url(dsn: str) -> str:
    return f"postgresql:///?{urlencode(conninfo_to_dict(dsn), quote_via=quote)}"


def said(dsn: str, condition_id: str = CONDITION, reason: str = "seen") -> list[str]:
    """Acknowledge; return the lines of the result."""
    lines: list[str] = []
    config = asked(as_url(dsn), "--acknowledge", condition_id, "--reason", reason).config
    acknowledge(config, condition_id, reason, lines.append)
    return lines


def clash(condition_id: ConditionId = CONDITION, **changes: object) -> Contradiction:
    given: dict[str, object] = {
        "condition_id": condition_id,
        "detected_at_ms": ns(1) // 1_000_000,
        "recorded": "winner 1",
        "observed": "winner 2",
        "source": Source.CLOB,
        **changes,
    }
    return Contradiction(**given)  # type: ignore[arg-type]


@pytest.fixture
def contradicted(store: Store, database: str) -> str:
    """Return a database with contradictions of both kinds about a market, and of another one."""
    store.commit(
        Batch(
            markets=(market(),),
            resolutions=(resolution(),),
            contradictions=(
                clash(),
                clash(kind=ContradictionKind.MAPPING, recorded="Yes", observed="No"),
                clash(OTHER),
            ),
        )
    )
    return database


# ------------------------------------------------------------------ command line


def test_the_command_line_names_a_market_and_a_reason() -> None:
    found = asked("postgresql://h/d", "--acknowledge", f" {OTHER} ", "--reason", " looked at it ")

    assert (found.mode, found.condition_id) == (Mode.ACKNOWLEDGE, OTHER)
    assert found.reason == "looked at it"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--acknowledge", OTHER], "--acknowledge: needs --reason TEXT"),
        (["--acknowledge", OTHER, "--reason", " "], "--acknowledge: needs --reason TEXT"),
        (["--acknowledge", "", "--reason", "x"], "--acknowledge: must name a market"),
        (["--acknowledge", OTHER, "--reason", "x" * 501], "--reason: must have at most 500"),
        (["--reason", "x"], "--reason: only with --acknowledge"),
        (["--check", "--reason", "x"], "--reason: only with --acknowledge"),
        (["--acknowledge", OTHER, "--reason", "x", "--migrate"], "exclude each other"),
        (["--acknowledge"], "expected one argument"),
    ],
)
def test_a_command_line_that_means_nothing_is_rejected(argv: list[str], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        asked("postgresql://h/d", *argv)


def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no database in"):
        acknowledge(Config(state_dir=tmp_path), OTHER, "x", print)


# -------------------------------------------------------------------- what it ends


@pytest.mark.db
def test_all_that_is_open_about_the_market_ends_and_is_named(contradicted: str) -> None:
    lines = said(contradicted, reason="the rules say so")

    assert lines == [
        "2026-03-01 12:00:01+00:00  mapping  clob: No; recorded: Yes",
        "2026-03-01 12:00:01+00:00  outcome  clob: winner 2; recorded: winner 1",
        f"2 contradictions of {CONDITION} (will-it-rain) acknowledged: the rules say so",
    ]
    assert ask(contradicted, ROWS) == [
        ("mapping", "acknowledged: the rules say so", False),
        ("outcome", "acknowledged: the rules say so", False),
        ("outcome", None, True),
    ]


@pytest.mark.db
def test_what_is_acknowledged_is_known_to_the_rechecks_of_the_resolution(
    contradicted: str, store: Store
) -> None:
    """Else each restart would find it once more."""
    said(contradicted)
    store.commit(Batch(contradictions=(clash(observed="split", source=Source.DATA),)))
    (recheck,) = store.open_conflicts().rechecks

    assert set(recheck.contradicted_by) == {(Source.CLOB, "winner 2"), (Source.DATA, "split")}


@pytest.mark.db
def test_a_market_without_an_open_contradiction_is_an_error(contradicted: str) -> None:
    said(contradicted)
    with pytest.raises(ConfigError, match=f"no contradiction about the market {CONDITION} is open"):
        said(contradicted)


@pytest.mark.db
def test_a_market_that_only_trades_name_is_known(store: Store, database: str) -> None:
    store.commit(Batch(trades=(trade(1),)))
    with pytest.raises(ConfigError, match="is open"):
        said(database)


@pytest.mark.db
def test_an_unknown_market_is_an_error(contradicted: str) -> None:
    unknown = "0x" + "cd" * 32
    with pytest.raises(ConfigError, match=f"the database knows no market {unknown}"):
        said(contradicted, unknown)
    assert [row[2] for row in ask(contradicted, ROWS)] == [True, True, True]


# --------------------------------------------------------------------- the database


def test_a_database_that_is_away_is_named() -> None:
    with pytest.raises(StoreUnavailable):
        said("host=127.0.0.1 port=1 dbname=none connect_timeout=1")


@pytest.mark.db
def test_a_database_without_the_schema_of_this_version_is_not_touched(empty_database: str) -> None:
    with pytest.raises(SchemaMismatch, match="run `bin/tracker --migrate`"):
        said(empty_database)


@pytest.mark.db
@pytest.mark.parametrize(("head", "allowed"), [(MAY_WRITE, True), (MUST_NOT_WRITE, False)])
def test_a_newer_schema_decides_whether_this_version_may(
    contradicted: str, tmp_path: Path, head: bytes, *, allowed: bool
) -> None:
    folder = Path(shutil.copytree(MIGRATIONS, tmp_path / "newer"))
    (folder / "9000_add_note.sql").write_bytes(head + b"\ncreate table tracker.note (a int);")
    migrate.apply(contradicted, folder)
    if allowed:
        assert len(said(contradicted)) == 3
        return
    with pytest.raises(SchemaMismatch, match=r"9000_add_note\.sql.*install"):
        said(contradicted)
    assert [row[2] for row in ask(contradicted, ROWS)] == [True, True, True]


@pytest.mark.db
def test_a_role_that_may_not_is_told_what_to_run(contradicted: str) -> None:
    role = "tracker_of_an_acknowledgement"
    do(contradicted, f"create role {role}")
    try:
        do(contradicted, f"grant select on all tables in schema public to {role}")
        dsn = make_conninfo(contradicted, options=f"-c role={role}")
        with pytest.raises(ConfigError, match=r"permission denied.*tracker --migrate"):
            said(dsn)
    finally:
        do(contradicted, f"drop owned by {role}")
        do(contradicted, f"drop role {role}")


@pytest.mark.db
def test_it_works_beside_a_running_tracker(
    contradicted: str, open_store: Callable[[UUID], Store]
) -> None:
    beside = open_store(UUID(int=9))
    ended = end_contradictions(contradicted, CONDITION, "seen")
    beside.commit(Batch(trades=(trade(1),)))

    assert {each.kind for each in ended} == {"outcome", "mapping"}
    assert beside.open_conflicts().open == ((OTHER, ContradictionKind.OUTCOME),)
