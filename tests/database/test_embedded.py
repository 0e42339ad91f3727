"""The embedded server starts, stops and recovers; as root and as any other user."""

import errno
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import psycopg
import pytest

from actors import files
from actors.database.schema import migrate
from actors.database.schema.opening import MigratingStore, MigrationRule
from actors.database.server import postgres_binaries
from actors.database.server.embedded import Embedded
from actors.database.server.postgres_binaries import ServerUser, find_binaries, require_traversable
from actors.database.server.processes import locked_by
from actors.database.store import Store
from actors.errors import SHORTAGES, ConfigError, Shortage, StateDirBusy
from tests.database.everything import everything
from tests.database.planted import STRANGER, plant
from tests.postgres import ask, do, open_folder

pytestmark = pytest.mark.live

FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=1MB")
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root() -> Iterator[Path]:
    """Return a short path that other users may enter."""
    with open_folder() as folder:
        yield folder / "pg"


@pytest.fixture
def make(root: Path) -> Iterator[Callable[[], Embedded]]:
    """Return a function that makes a server in `root`; all are stopped afterwards."""
    made: list[Embedded] = []

    def make_one() -> Embedded:
        made.append(Embedded(root, FAST))
        return made[-1]

    yield make_one
    for each in made:
        each.stop()


def pid_in(root: Path) -> int:
    return int((root / "data" / "postmaster.pid").read_text().split()[0])


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_it_starts_makes_a_database_and_keeps_it_over_a_restart(
    make: Callable[[], Embedded], root: Path
) -> None:
    server = make()
    server.start()
    do(server.dsn(), "create table kept as select 42 as answer")
    assert ask(server.dsn(), "select * from kept") == [(42,)]
    pid = pid_in(root)
    server.stop()
    assert not is_running(pid)
    again = make()
    again.start()
    assert ask(again.dsn(), "select * from kept") == [(42,)]


def test_the_psql_command_opens_the_database(make: Callable[[], Embedded]) -> None:
    server = make()
    server.start()
    server.dsn()
    command = [*shlex.split(server.psql_command()), "-Atc", "select current_database()"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "tracker\n"


def test_the_server_does_not_listen_on_the_network(
    make: Callable[[], Embedded], root: Path
) -> None:
    server = make()
    server.start()
    assert ask(server.dsn("postgres"), "show listen_addresses") == [("",)]
    assert (root / "s").stat().st_mode & 0o777 == 0o700
    assert (root / "data").stat().st_mode & 0o777 == 0o700


def test_a_second_tracker_in_the_same_folder_is_rejected(
    make: Callable[[], Embedded], root: Path
) -> None:
    server = make()
    server.start()
    with pytest.raises(StateDirBusy, match=str(root)) as found:
        make().start()
    assert "end it first" in str(found.value)
    if Path("/proc/locks").exists():
        assert f"another tracker (process {os.getpid()}) runs" in str(found.value)
    assert ask(server.dsn("postgres"), "select 1") == [(1,)]


LOCKS = """
import fcntl, sys
with open(sys.argv[2]) as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system does not say who locked")
def test_an_open_shell_is_named_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    command = [sys.executable, "-c", LOCKS, "--psql", str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        with lock.open() as file:
            assert locked_by(file.fileno()) == f"`tracker --psql` (process {shell.pid})"
        shell.communicate()
    with lock.open() as file:
        assert "`tracker --psql`" in locked_by(file.fileno())  # nobody now: it may be either


@pytest.fixture
def programs(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of programs of which initdb finds no space."""
    folder = root.parent / "programs"
    folder.mkdir(mode=0o755)
    said = 'echo "initdb: error: could not create directory: No space left on device" >&2; exit 1'
    for name, does in {"postgres": "echo postgres (PostgreSQL) 18.1", "initdb": said}.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n".replace("(", "\\(").replace(")", "\\)"))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(folder))
    return folder


def test_without_space_for_a_cluster_the_service_manager_tries_again(
    programs: Path, make: Callable[[], Embedded], root: Path
) -> None:
    with pytest.raises(Shortage, match=rf"{root}.*No space left on device"):
        make().start()
    (programs / "initdb").write_text("#!/bin/sh\necho no locale >&2; exit 1\n")
    with pytest.raises(ConfigError, match=r"initdb could not create.*no locale"):
        make().start()


@pytest.mark.parametrize("call", ["open_directory", "open_or_create"])
@pytest.mark.parametrize("code", sorted(SHORTAGES))
def test_what_the_folder_lacks_the_service_manager_waits_for(
    call: str,
    code: int,
    make: Callable[[], Embedded],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    server = make()
    monkeypatch.setattr(files, call, fail)
    with pytest.raises(Shortage, match=rf"{root}.*{os.strerror(code)}"):
        server.start()


def test_a_folder_that_may_not_be_made_needs_a_person(
    make: Callable[[], Embedded], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    server = make()
    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(ConfigError, match="Permission denied"):
        server.start()


def test_stop_may_be_called_twice_and_without_start(make: Callable[[], Embedded]) -> None:
    server = make()
    server.stop()
    server.start()
    server.stop()
    server.stop()


def test_the_server_of_a_killed_tracker_stops(root: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path;"
        "from actors.database.server.embedded import Embedded;"
        "server = Embedded(Path(sys.argv[1])); server.start(); print('ready', flush=True);"
        "time.sleep(600)"
    )
    command = [sys.executable, "-c", script, str(root)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        pid = pid_in(root)
        parent.kill()
        parent.wait(timeout=30)
    wait_until(lambda: not is_running(pid), "the server still runs after its tracker")
    assert not (root / "data" / "postmaster.pid").exists()


def test_a_crashed_server_recovers_at_the_next_start(
    make: Callable[[], Embedded], root: Path
) -> None:
    server = make()
    server.start()
    do(server.dsn(), "create table kept as select 42 as answer")
    os.kill(pid_in(root), signal.SIGKILL)
    server.stop()
    again = make()
    again.start()
    assert ask(again.dsn(), "select * from kept") == [(42,)]


def test_a_server_that_was_killed_is_known_to_have_ended_and_starts_again_by_itself(
    make: Callable[[], Embedded], root: Path
) -> None:
    server = make()
    server.start()
    assert server.ended() == ""
    do(server.dsn(), "create table kept as select 42 as answer")
    for _ in range(2):
        os.kill(pid_in(root), signal.SIGKILL)
        wait_until(lambda: bool(server.ended()), "it is not seen that the server has ended")
        assert "signal 9" in server.ended()
        revive(server)
        assert ask(server.dsn(), "select * from kept") == [(42,)]
    server.stop()
    assert not (root / "data" / "postmaster.pid").exists()


def revive(server: Embedded) -> None:
    """Start it again as often as it ends because the one before has not gone yet."""

    def runs() -> bool:
        if server.ended():
            server.start_again()
        return server._answers()

    wait_until(runs, "it does not answer again")


def test_a_server_of_before_that_is_killed_is_started_again_too(
    make: Callable[[], Embedded], root: Path
) -> None:
    first = make()
    first.start()
    # As if its tracker had been killed where the kernel does not end children.
    first._folder.close()
    second = make()
    second.start()
    assert second.ended() == ""
    os.kill(pid_in(root), signal.SIGKILL)
    assert first._child is not None
    first._child.wait(timeout=30)  # as init does for one whose parent is gone
    wait_until(lambda: bool(second.ended()), "it is not seen that the server has ended")
    revive(second)
    assert ask(second.dsn("postgres"), "select 1") == [(1,)]


def test_a_server_that_ends_at_once_says_why(make: Callable[[], Embedded], root: Path) -> None:
    server = make()
    server.start()
    os.kill(pid_in(root), signal.SIGKILL)
    wait_until(lambda: bool(server.ended()), "it is not seen that the server has ended")
    server._options = ("no_such_setting=1",)
    server.start_again()
    wait_until(lambda: "no_such_setting" in server.ended(), "its log is not told")
    assert "exit code 1" in server.ended()


def test_a_pid_of_another_program_does_not_block_the_folder(
    make: Callable[[], Embedded], root: Path
) -> None:
    server = make()
    server.start()
    pid_file = root / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    owner = pid_file.stat()
    server.stop()
    run_as = {"user": owner.st_uid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "600"], **run_as) as other:  # type: ignore[call-overload]  # mypy cannot match the keyword by name
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        again = make()
        again.start()
        assert ask(again.dsn("postgres"), "select 1") == [(1,)]
        other.kill()


def test_an_incomplete_cluster_is_created_again(make: Callable[[], Embedded], root: Path) -> None:
    (root / "data.new").mkdir(parents=True)
    (root / "data.new" / "PG_VERSION").write_text("18")
    server = make()
    server.start()
    assert ask(server.dsn("postgres"), "show data_checksums") == [("on",)]


def test_a_cluster_of_another_major_version_is_left_alone(
    make: Callable[[], Embedded], root: Path
) -> None:
    (root / "data").mkdir(parents=True)
    (root / "data" / "PG_VERSION").write_text("9\n")
    user = postgres_binaries.server_user()
    if user:
        os.chown(root / "data", user.uid, user.gid)
    with pytest.raises(ConfigError, match=r"made by PostgreSQL 9, but .*TRACKER_POSTGRES_BIN"):
        make().start()
    assert (root / "data" / "PG_VERSION").read_text() == "9\n"


def test_a_server_that_cannot_start_says_why(root: Path) -> None:
    server = Embedded(root, ("no_such_setting=1",))
    with pytest.raises(Exception, match="no_such_setting"):
        server.start()
    server.stop()


def test_a_path_too_long_for_a_socket_is_rejected_at_once() -> None:
    with pytest.raises(ConfigError, match="too long"):
        Embedded(Path("/tmp") / ("x" * 100))


def test_a_folder_that_the_server_may_not_enter_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    other = ServerUser(name="somebody", uid=os.getuid() + 4242, gid=os.getgid() + 4242)
    tmp_path.chmod(0o755)
    with pytest.raises(ConfigError, match=r"somebody, who may not enter .*chmod o\+x"):
        require_traversable(closed / "pg" / "data", other)
    require_traversable(closed / "pg" / "data", None)


def test_a_folder_of_binaries_without_a_server_is_rejected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(ConfigError, match="TRACKER_POSTGRES_BIN"):
        find_binaries()


def test_without_any_binaries_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACKER_POSTGRES_BIN", raising=False)
    monkeypatch.setattr(postgres_binaries, "_candidates", list)
    with pytest.raises(ConfigError, match="TRACKER_DATABASE_URL"):
        find_binaries()


def test_the_database_is_created_once(make: Callable[[], Embedded]) -> None:
    server = make()
    server.start()
    assert server.dsn("odd name") == server.dsn("odd name")
    with psycopg.connect(server.dsn("odd name")) as connection:
        assert connection.info.dbname == "odd name"


# ----------------------------------------------------------------------- roles


def test_the_embedded_database_has_two_roles_and_an_older_one_gets_them(
    make: Callable[[], Embedded],
) -> None:
    server = make()
    server.start()
    administrator = server.dsn()
    migrate.apply(administrator)  # as versions did that knew no roles
    before = Store(administrator)
    before.open(UUID(int=1))
    before.commit(everything())
    before.close()

    writer, owner = server.prepare()
    assert server.prepare() == (writer, owner), "a second start changes nothing"
    assert migrate.apply(owner) == ()
    store = Store(writer)
    store.open(UUID(int=1))
    assert store.commit(everything()).duplicates == 2
    store.close()
    for address, role in ((writer, "tracker_writer"), (owner, "tracker_owner")):
        assert ask(address, "select current_user::text, session_user::text") == [(role, role)]
    owned = "select count(*) from pg_class where relowner = 'tracker_writer'::regrole"
    assert ask(administrator, owned) == [(0,)]
    for forbidden in ("delete from tracker.trades", "drop table tracker.trades"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            do(writer, forbidden)


def stored_by(server: Embedded) -> int:
    """Migrate the database as its owner, store as the tracker; return how many trades came in."""
    writer, owner = server.prepare()
    store = MigratingStore(writer, owner=owner, rule=MigrationRule(allowed=True))
    store.open(UUID(int=1))
    stored = store.commit(everything()).stored
    store.close()
    return stored


def test_a_new_embedded_database_is_migrated_as_its_owner(make: Callable[[], Embedded]) -> None:
    server = make()
    server.start()
    assert stored_by(server) == 2


def test_the_embedded_servers_administrator_executes_nothing_planted(
    make: Callable[[], Embedded],
) -> None:
    server = make()
    server.start()
    do(server.dsn("postgres"), f"create role {STRANGER} login")
    for name in ("postgres", "tracker"):
        plant(server.dsn(name), STRANGER)
        # From here on the administrator of the tests meets the traps as well.
        do(server.dsn(name), f"alter database {name} set search_path = public, pg_catalog")
    server.stop()
    again = make()
    again.start()
    assert stored_by(again) == 2
