"""Everywhere the tracker writes: what somebody else put there is never written through.

Each attack is carried out on the real program, at its start and with `--check`: it ends with one
clear line and exit code 78, and what the attack aimed at is as it was.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from actors.app.recording import FILE, Recording
from actors.errors import ConfigError, JournalUnreadable
from actors.journal.journal import Journal
from actors.simulator.ledger import NAME, Ledger
from tests.live.processes import ROOT

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")

SECRET = b"precious"
STRANGER = 4242


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Return a file of ours that is none of the tracker's."""
    made = tmp_path / "victim"
    made.write_bytes(SECRET)
    return made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return the state directory of a tracker that ran before."""
    made = tmp_path / "state"
    made.mkdir(mode=0o755)
    journal = opened(made / "journal")
    journal.append(b"before")
    journal.close()
    return made


def opened(directory: Path) -> Journal:
    return Journal.open(directory, max_bytes=1 << 24, reserve_bytes=1 << 20)


def run(state: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}
    return subprocess.run(
        [sys.executable, str(ROOT / "bin" / "tracker"), *arguments],
        env={
            **env,
            "TRACKER_STATE_DIR": str(state),
            "TRACKER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "TRACKER_MARKET_WS_URL": "ws://127.0.0.1:1/",
            "TRACKER_GAMMA_URL": "http://127.0.0.1:1",
            **settings,
        },
        capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def rejected(done: "subprocess.CompletedProcess[str]", place: Path, *words: str) -> None:
    """Demand one clear line for a person, about this place."""
    assert done.returncode == 78, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("tracker: "))
    for word in (str(place), *words):
        assert word in line


CHECK, RUN = ["--check"], ["--duration", "1"]
BOTH = pytest.mark.parametrize("arguments", [CHECK, RUN], ids=["check", "run"])


def both_of(name: str, values: Sequence[object]) -> pytest.MarkDecorator:
    """Return a parameter of `--check`, which looks at all, and of a run by the same functions.

    In a run all but the first are long.
    """
    cases = [
        pytest.param(arguments, value, id=f"{mode}-{value}", marks=marks)
        for mode, arguments in (("check", CHECK), ("run", RUN))
        for number, value in enumerate(values)
        for marks in ([pytest.mark.long] if mode == "run" and number else [],)
    ]
    return pytest.mark.parametrize(("arguments", name), cases)


# --------------------------------------------------------- the state directory


@both_of("mode", [0o775, 0o757, 0o1777])
@pytest.mark.parametrize("name", ["", "journal"])
def test_a_directory_that_others_may_write_to_is_rejected(
    state: Path, arguments: list[str], mode: int, name: str
) -> None:
    (state / name).chmod(mode)
    rejected(run(state, *arguments), state / name, f"{mode:04o}", "chmod go-w")


@BOTH
@as_root
@pytest.mark.parametrize("name", ["", "journal"])
def test_a_directory_of_somebody_else_is_rejected(
    state: Path, arguments: list[str], name: str
) -> None:
    os.chown(state / name, STRANGER, STRANGER)
    rejected(run(state, *arguments), state / name, str(STRANGER), "chown")
    assert (state / name).stat().st_uid == STRANGER


@BOTH
def test_a_directory_above_that_everybody_may_write_to_is_rejected(
    state: Path, arguments: list[str]
) -> None:
    state.parent.chmod(0o777)
    rejected(run(state, *arguments), state.parent, "chmod o-w")


@BOTH
@as_root
def test_a_directory_above_of_somebody_else_is_rejected(state: Path, arguments: list[str]) -> None:
    os.chown(state.parent, STRANGER, STRANGER)
    rejected(run(state, *arguments), state.parent, str(STRANGER))


@BOTH
@as_root
def test_a_link_of_somebody_else_to_the_state_directory_is_rejected(
    state: Path, arguments: list[str]
) -> None:
    link = state.parent / "link"
    link.symlink_to(state)
    os.chown(link, STRANGER, STRANGER, follow_symlinks=False)
    rejected(run(link, *arguments), link, "symbolic link")


def test_a_link_as_systemd_makes_it_is_followed(state: Path) -> None:
    (state.parent / "private").mkdir(mode=0o700)
    state.rename(state.parent / "private" / "tracker")
    link = state.parent / "tracker"
    link.symlink_to("private/tracker")
    done = run(link, "--duration", "0.1")
    assert done.returncode == 0, done.stderr
    assert not (state.parent / "private" / "tracker" / ".writable").exists()


def test_the_file_by_which_it_sees_whether_it_may_write_is_not_a_link(
    state: Path, victim: Path
) -> None:
    (state / ".writable").symlink_to(victim)
    run(state, "--check")
    run(state, "--duration", "0.1")
    assert victim.read_bytes() == SECRET


@BOTH
def test_a_link_in_place_of_the_journal_is_rejected(
    state: Path, tmp_path: Path, arguments: list[str]
) -> None:
    (state / "journal").rename(tmp_path / "elsewhere")
    before = sorted(tmp_path.joinpath("elsewhere").iterdir())
    (state / "journal").symlink_to(tmp_path / "elsewhere")
    rejected(run(state, *arguments), state / "journal", "symbolic link")
    assert sorted(tmp_path.joinpath("elsewhere").iterdir()) == before


# ------------------------------------------------------------------ the journal


def names_in(state: Path) -> list[str]:
    return sorted(path.name for path in (state / "journal").iterdir())


@both_of("which", range(4))
def test_a_link_in_place_of_a_file_of_the_journal_is_rejected(
    state: Path, victim: Path, arguments: list[str], which: int
) -> None:
    assert len(names_in(state)) == 4  # a segment, the identity, the reserve, what is unmet
    place = state / "journal" / names_in(state)[which]
    place.unlink()
    place.symlink_to(victim)
    rejected(run(state, *arguments), place, "symbolic link")
    assert victim.read_bytes() == SECRET


@both_of("name", ["seg-x.tmp", "suspect-00000000000000000001", "other"])
def test_a_link_that_was_added_to_the_journal_is_rejected(
    state: Path, victim: Path, arguments: list[str], name: str
) -> None:
    place = state / "journal" / name
    place.symlink_to(victim)
    rejected(run(state, *arguments), place, "symbolic link")
    assert victim.read_bytes() == SECRET


@BOTH
def test_a_pipe_in_place_of_a_segment_is_rejected_at_once(
    state: Path, arguments: list[str]
) -> None:
    place = state / "journal" / "seg-00000000000000000000.log"
    os.mkfifo(place)
    rejected(run(state, *arguments), place, "no plain file")


@both_of("which", range(4))
def test_a_file_of_the_journal_that_others_may_write_to_is_rejected(
    state: Path, arguments: list[str], which: int
) -> None:
    place = state / "journal" / names_in(state)[which]
    place.chmod(0o622)
    rejected(run(state, *arguments), place, "chmod go-w")


@BOTH
@as_root
def test_a_segment_of_somebody_else_is_rejected(state: Path, arguments: list[str]) -> None:
    place = next((state / "journal").glob("seg-*"))
    os.chown(place, STRANGER, STRANGER)
    rejected(run(state, *arguments), place, "chown")


def test_a_second_name_of_a_file_keeps_what_it_had(state: Path, tmp_path: Path) -> None:
    """Faults: a copy made of hard links changes with the journal; so does any file of ours."""
    copies = tmp_path / "copies"
    copies.mkdir()
    before = {}
    for path in (state / "journal").iterdir():
        (copies / path.name).hardlink_to(path)
        before[path.name] = path.read_bytes()
    journal = opened(state / "journal")
    journal.append(b"after")
    journal.close()
    assert {path.name: path.read_bytes() for path in copies.iterdir()} == before
    again = opened(state / "journal")
    assert [entry.body for entry in again.read(1) if hasattr(entry, "body")] == [
        b"before",
        b"after",
    ]
    again.close()


def test_a_directory_of_the_file_system_in_the_journal_does_not_matter(state: Path) -> None:
    (state / "journal" / "lost+found").mkdir(mode=0o700)
    opened(state / "journal").close()


def test_the_journal_says_which_file_is_not_its_own(state: Path, victim: Path) -> None:
    place = state / "journal" / "reserve"
    place.unlink()
    place.symlink_to(victim)
    with pytest.raises(JournalUnreadable, match="reserve is a symbolic link"):
        opened(state / "journal")
    assert victim.read_bytes() == SECRET


@pytest.mark.parametrize("what", ["link", "writable"])
def test_the_journal_itself_looks_at_what_is_in_it(state: Path, victim: Path, what: str) -> None:
    """Attack: after the start of the program has looked at all, before the journal is opened."""
    place = state / "journal" / "other"
    if what == "link":
        place.symlink_to(victim)
    else:
        place.write_bytes(SECRET)
        place.chmod(0o622)
    with pytest.raises(JournalUnreadable, match=r"other (is a symbolic link|may be written to)"):
        opened(state / "journal")


# ------------------------------------------------------------ the embedded database


@pytest.fixture
def passable() -> Iterator[Path]:
    """Return a short path that other users may enter, as the user of the database must."""
    made = Path(tempfile.mkdtemp(prefix="tr-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@both_of("name", ["", "lock", "server.log", "s", "data"])
def test_a_link_in_the_folder_of_the_embedded_database_is_rejected(
    passable: Path, victim: Path, arguments: list[str], name: str
) -> None:
    folder = passable / "state" / "postgres"
    (folder if name else folder.parent).mkdir(mode=0o711, parents=True)
    (passable / "state").chmod(0o711)
    (folder / name).symlink_to(victim if name in ("lock", "server.log") else victim.parent)
    before = sorted(victim.parent.iterdir())
    done = run(passable / "state", *arguments, TRACKER_DATABASE_URL="")
    rejected(done, folder / name, "symbolic link")
    assert victim.read_bytes() == SECRET
    assert sorted(victim.parent.iterdir()) == before


# ------------------------------------------------------------------ the status socket


@BOTH
def test_a_socket_where_everybody_could_replace_it_is_rejected(
    state: Path, tmp_path: Path, arguments: list[str]
) -> None:
    place = tmp_path / "sockets"
    place.mkdir()
    place.chmod(0o777)
    done = run(state, *arguments, TRACKER_STATUS_SOCKET=str(place / "s"))
    rejected(done, place, "chmod o-w", "TRACKER_STATUS_SOCKET")
    assert not list(place.iterdir())


@BOTH
@as_root
def test_a_socket_in_a_directory_of_somebody_else_is_rejected(
    state: Path, tmp_path: Path, arguments: list[str]
) -> None:
    place = tmp_path / "sockets"
    place.mkdir()
    os.chown(place, STRANGER, STRANGER)
    done = run(state, *arguments, TRACKER_STATUS_SOCKET=str(place / "s"))
    rejected(done, place, str(STRANGER), "TRACKER_STATUS_SOCKET")


def test_a_link_in_place_of_the_socket_is_left_alone(state: Path, victim: Path) -> None:
    (state / "tracker.sock").symlink_to(victim)
    done = run(state, "--duration", "0.1")
    assert done.returncode == 74
    assert victim.read_bytes() == SECRET
    (state / "tracker.sock").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(state / "other"))
        (state / "tracker.sock").symlink_to(state / "other")
        assert run(state, "--duration", "0.1").returncode == 74
    assert (state / "other").exists()


# -------------------------------------------------------------------- recordings


def recording(folder: Path) -> Recording:
    return Recording(folder, sides={})


def test_a_recording_is_not_made_where_others_may_write(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ConfigError, match=r"--record: .*open.*chmod go-w"):
        recording(folder)
    assert not list(folder.iterdir())


def test_a_recording_is_not_made_below_a_directory_that_everybody_may_write_to(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match=r"--record: .*chmod o-w"):
        recording(tmp_path / "new")
    assert not list(tmp_path.iterdir())


@as_root
def test_a_recording_is_not_made_through_a_link_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "aim").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "aim")
    os.chown(link, STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(ConfigError, match="symbolic link"):
        recording(link)
    assert not list((tmp_path / "aim").iterdir())


def test_a_recording_is_for_its_owner_only_where_a_link_of_ours_leads(tmp_path: Path) -> None:
    (tmp_path / "aim").mkdir()
    (tmp_path / "link").symlink_to("aim")
    with recording(tmp_path / "link"):
        assert (tmp_path / "aim" / FILE).stat().st_mode & 0o777 == 0o600


# --------------------------------------------------------- demo and simulator


@pytest.mark.parametrize("name", ["run", "tracker.log", "tracker", "simulator", ""])
def test_a_demo_does_not_write_through_a_link(state: Path, victim: Path, name: str) -> None:
    demo = state / "demo"
    if name:
        demo.mkdir(mode=0o755)
    (demo / name).symlink_to(victim if name in ("run", "tracker.log") else victim.parent)
    done = run(state, "--demo", "--duration", "1", TRACKER_DATABASE_URL="")
    rejected(done, demo / name, "symbolic link")
    assert victim.read_bytes() == SECRET


def test_the_ledger_of_a_simulator_is_no_link(tmp_path: Path, victim: Path) -> None:
    (tmp_path / NAME).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        Ledger(tmp_path)
    assert victim.read_bytes() == SECRET
