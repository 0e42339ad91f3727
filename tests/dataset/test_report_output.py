"""A report is written as a whole, and over nothing that is something else."""

import errno
import os
from pathlib import Path

import pytest

from actors.dataset.report import output

MARK = b"<!-- ours -->"
NEW = MARK + b"new" * 1000


def write(path: Path, *, force: bool = False) -> None:
    output.write_whole(path, NEW, MARK, force=force)


def test_a_file_is_made_with_the_rights_that_others_get(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "a.html")
    finally:
        os.umask(before)
    assert (tmp_path / "a.html").read_bytes() == NEW
    assert (tmp_path / "a.html").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_a_report_of_before_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(MARK + b"old")
    write(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_bytes() == NEW


@pytest.mark.parametrize("content", [b"", b"mine", MARK[:-1]])
def test_what_is_no_report_is_left_unless_it_is_forced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(content)
    for ask in (write, lambda each: output.require_replaceable(each, MARK)):
        with pytest.raises(FileExistsError):
            ask(path)
    assert path.read_bytes() == content
    write(path, force=True)
    assert path.read_bytes() == NEW


def test_a_link_is_never_followed_nor_a_folder_replaced(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(MARK)
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "folder", "pipe"):
        with pytest.raises(FileExistsError):
            write(tmp_path / name, force=True)
    assert target.read_bytes() == MARK


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "a.html")


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (tmp_path / "a.html").write_bytes(MARK + b"old")

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "a.html")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    assert (tmp_path / "a.html").read_bytes() == MARK + b"old"


def test_a_disk_that_takes_little_at_a_time_gets_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole(fd, data[:100]))
    write(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_bytes() == NEW
