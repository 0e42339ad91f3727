"""A copy of a state directory whose embedded server runs is named as such, at once."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.cli.main import main
from actors.database.server.embedded import Embedded
from actors.database.server.folder import ServerFolder
from actors.errors import EXIT_CONFIG, ConfigError
from tests.postgres import open_folder

FAST = ("fsync=off",)
ENDED = 2**22 + 1
"""A pid that no process has (the highest of Linux is 2^22)."""


def folder_at(root: Path, pid: int, names: Path | str) -> ServerFolder:
    """Return a folder in which a server left its file, as PostgreSQL writes it."""
    data = root / "data"
    data.mkdir(parents=True, exist_ok=True)
    data.parent.chmod(0o700)
    (data / "PG_VERSION").write_text("16\n")
    (data / "postmaster.pid").write_text(f"{pid}\n{names}\n1796038532\n5432\n")
    return ServerFolder(root, None)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder_at(tmp_path / "first", os.getpid(), tmp_path / "first" / "data")
    return tmp_path


def test_the_copy_of_a_running_server_is_named_with_what_to_do(place: Path) -> None:
    copy = folder_at(place / "second", os.getpid(), place / "first" / "data")
    with pytest.raises(ConfigError) as found:
        copy.check()
    text = str(found.value)
    assert f"{place / 'second'} is a copy of {place / 'first'}" in text
    assert str(os.getpid()) in text
    assert "Stop the tracker" in text
    assert "pg_dump" in text


@pytest.mark.parametrize(
    ("pid", "names"),
    [
        pytest.param(os.getpid(), "second/data", id="its own"),
        pytest.param(os.getpid(), "second/../second/data", id="its own, by another way"),
        pytest.param(os.getpid(), "gone/data", id="moved"),
        pytest.param(ENDED, "first/data", id="ended"),
        pytest.param(os.getppid(), "first/data", id="the first has another one since"),
        pytest.param(os.getpid(), "other", id="no server there"),
    ],
)
def test_any_other_folder_is_none(place: Path, pid: int, names: str) -> None:
    (place / "other").mkdir()
    assert folder_at(place / "second", pid, place / names).check() == "16"


@pytest.mark.parametrize("text", ["", "\n", "x\ny\n", "PID", "PID\n\n", "\0"])
def test_a_file_that_says_something_else_is_none(place: Path, text: str) -> None:
    text = text.replace("PID", str(os.getpid()))  # not in the name of the test
    folder = folder_at(place / "second", 1, "x")
    (place / "second" / "data" / "postmaster.pid").write_text(text)
    assert folder.check() == "16"


@pytest.fixture
def state_dirs() -> Iterator[tuple[Path, Path]]:
    with open_folder() as folder:
        yield folder / "a", folder / "b"


@pytest.mark.live
def test_check_and_start_on_the_copy_of_a_live_state_directory_end_with_78(
    state_dirs: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = state_dirs
    first.mkdir(mode=0o711)
    server = Embedded(first / "postgres", options=FAST)
    server.start()
    try:
        os.system(f"cp -a {first} {second}")  # noqa: S605 - as a person does it
        monkeypatch.setenv("TRACKER_STATE_DIR", str(second))
        for arguments in (["--check"], ["--migrate"], ["--retire", "x"]):
            assert main(arguments) == EXIT_CONFIG
            said = capsys.readouterr().err
            assert f"is a copy of {first / 'postgres'}" in said
            assert "TRACKER_DATABASE_URL" not in said
        assert server.ended() == ""
    finally:
        server.stop()
        shutil.rmtree(second, ignore_errors=True)
