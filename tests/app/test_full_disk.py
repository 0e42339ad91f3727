"""The state directory on a disk without space: a start goes on, since it is what makes space."""

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from actors import files
from actors.app.factory import open_journal
from actors.app.places import prepare_state_dir
from actors.config.load import Config
from actors.errors import EXIT_IO, SHORTAGES, ConfigError, Fatal
from actors.journal.filesystem import Disk

MIB = 1 << 20


def failing(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let no file and no directory be made."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files, "create", fail)
    monkeypatch.setattr(os, "mkdir", fail)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_state_directory_without_space_is_used(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, code)
    assert prepare_state_dir(tmp_path) == tmp_path


def test_a_file_in_place_of_the_state_directory_is_named(tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.write_text("a file")
    with pytest.raises(ConfigError, match=f"{place} is no directory; remove it, or name another"):
        prepare_state_dir(place / "below")
    with pytest.raises(ConfigError, match=f"{place} is no directory; remove it, or name another"):
        prepare_state_dir(place)


@pytest.mark.parametrize("code", sorted(SHORTAGES))
def test_what_the_state_directory_lacks_the_service_manager_waits_for(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, code)
    with pytest.raises(Fatal, match=os.strerror(code)) as told:
        prepare_state_dir(tmp_path / "state")
    assert told.value.exit_code == EXIT_IO


@pytest.mark.parametrize("code", sorted(SHORTAGES))
def test_what_a_new_journal_lacks_the_service_manager_waits_for(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Disk, "create", fail)
    with pytest.raises(Fatal, match=os.strerror(code)) as told:
        open_journal(Config(), tmp_path)
    assert told.value.exit_code == EXIT_IO


def test_of_a_full_disk_it_is_told_that_inodes_may_be_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, errno.ENOSPC)
    with pytest.raises(Fatal, match=r"No space left.*no space, or no inode.*df -i"):
        prepare_state_dir(tmp_path / "state")


def test_one_that_must_not_be_written_needs_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, errno.EROFS)
    with pytest.raises(ConfigError, match="give the tracker's user write access"):
        prepare_state_dir(tmp_path)


@pytest.mark.parametrize("backlog", [0, 1, 3])
def test_the_cap_of_the_journal_is_the_same_after_a_restart_with_a_backlog(
    backlog: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: half of what is free, without what the journal itself takes."""
    journal = tmp_path / "journal"

    def free_bytes(*_: object) -> int:
        return 900 * MIB - sum(each.stat().st_size for each in journal.iterdir())

    monkeypatch.setattr(Disk, "free_bytes", free_bytes)
    caps = []
    for _ in range(2):
        opened = open_journal(Config(), tmp_path)
        caps.append(opened.stats().cap_bytes)
        assert opened.has_space()
        for _ in range(backlog):
            opened.append(bytes(8 * MIB))
        opened.close()
    assert abs(caps[0] - caps[1]) < 1_000
    assert 449 * MIB < caps[0] <= 450 * MIB
