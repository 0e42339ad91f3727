"""A directory is ours, and so is all that leads to it; a file in it is opened, and no other."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import files
from actors.files import NotOurs


def opened(path: Path, **more: bool) -> str:
    """Return where the directory is that was opened."""
    fd = files.open_directory(path, **more)  # type: ignore[arg-type]  # booleans
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink())
    finally:
        os.close(fd)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    fd = files.open_directory(tmp_path)
    yield fd
    os.close(fd)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return directories with links of ours in them, as the kernel knows them: without links."""
    for name in ("a/b", "c/d"):
        (tmp_path / name).mkdir(parents=True, mode=0o755)
    (tmp_path / "to_b").symlink_to("a/b")
    (tmp_path / "a" / "up").symlink_to("../c")
    (tmp_path / "absolute").symlink_to(tmp_path / "a")
    (tmp_path / "twice").symlink_to("absolute/up")
    return tmp_path.resolve()


@pytest.mark.parametrize(
    "path",
    ["a", "a/b", "a/../c", "a/./b", "to_b", "to_b/..", "to_b/../up/d", "absolute/up", "twice/d",
     "twice/../a/b", "a/up/.."],
)  # fmt: skip
def test_a_path_leads_where_the_kernel_leads(tree: Path, path: str) -> None:
    expected = os.path.realpath(f"{tree}/{path}")
    assert opened(Path(f"{tree}/{path}"), may_be_link=True) == expected


def test_the_last_step_is_no_link_unless_a_setting_names_it(tree: Path) -> None:
    with pytest.raises(NotOurs, match="to_b is a symbolic link"):
        opened(tree / "to_b")
    assert opened(tree / "absolute" / "b") == f"{tree}/a/b"


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("y")
    (tmp_path / "y").symlink_to("x")
    with pytest.raises(OSError, match="symbolic links") as failed:
        opened(tmp_path / "x", may_be_link=True)
    assert failed.value.errno == errno.ELOOP


def test_what_is_made_is_closed_to_others_whatever_the_umask_is(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        os.close(files.open_directory(tmp_path / "a" / "b" / "c"))
        directory = files.open_directory(tmp_path / "a" / "b" / "d", mode=0o711)
        os.close(files.create(directory, "file"))
        os.close(directory)
    finally:
        os.umask(former)
    modes = {"a": 0o755, "a/b": 0o755, "a/b/c": 0o700, "a/b/d": 0o711, "a/b/d/file": 0o600}
    assert {name: (tmp_path / name).stat().st_mode & 0o777 for name in modes} == modes


def test_a_directory_that_is_not_to_be_made_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "new", make=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o1777, 0o775])
def test_a_sticky_parent_and_one_of_a_group_are_accepted(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert opened(tmp_path / "ours") == f"{tmp_path.resolve()}/ours"


def test_a_file_on_the_way_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in ("file", "file/below"):
        with pytest.raises(NotADirectoryError):
            opened(tmp_path / path)


def test_a_name_that_could_drive_a_terminal_is_escaped(tmp_path: Path, directory: int) -> None:
    name = "\x1b]0;owned\x07\ntracker: all is well"
    (tmp_path / name).symlink_to("/")
    for look in (
        lambda: files.require_plain(directory),
        lambda: files.open_read(directory, name),
        lambda: opened(tmp_path / name),
    ):
        with pytest.raises(NotOurs, match="symbolic link") as failed:
            look()
        assert str(failed.value.strerror).isprintable()


def test_a_file_is_opened_again_and_created_once(tmp_path: Path, directory: int) -> None:
    for text in (b"one ", b"two"):
        fd = files.open_or_create(directory, "x")
        os.write(fd, text)
        os.close(fd)
    assert (tmp_path / "x").read_bytes() == b"one two"


@pytest.mark.parametrize("what", ["link", "pipe", "directory"])
def test_what_is_no_plain_file_is_neither_written_nor_read(
    tmp_path: Path, directory: int, what: str
) -> None:
    (tmp_path / "aim").write_text("precious")
    place = tmp_path / "x"
    make = {"link": lambda: place.symlink_to("aim"), "pipe": lambda: os.mkfifo(place)}
    make.get(what, place.mkdir)()
    for call in (files.open_append, files.open_or_create, files.open_read):
        with pytest.raises(OSError, match=r"x is|Is a directory"):
            call(directory, "x")
    assert (tmp_path / "aim").read_text() == "precious"


def test_a_probe_that_was_left_over_is_no_obstacle(tmp_path: Path, directory: int) -> None:
    (tmp_path / ".writable").write_text("")
    files.require_writable(directory)
    assert not list(tmp_path.iterdir())


def test_a_tree_is_removed_without_what_its_links_lead_to(tree: Path, tmp_path: Path) -> None:
    (tree / "a" / "b" / "out").symlink_to(tree / "c")
    directory = files.open_directory(tmp_path)
    for name in ("a", "to_b", "none"):
        files.remove_tree(directory, name)
    os.close(directory)
    assert sorted(path.name for path in tree.iterdir()) == ["absolute", "c", "twice"]
    assert (tree / "c" / "d").is_dir()
