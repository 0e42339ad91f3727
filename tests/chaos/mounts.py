"""Small disks and disks that can be copied as they are: root only, gone with the process."""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNS = 0x0002_0000
MIB = 1 << 20


def own_mounts() -> None:
    """Keep what is mounted from here on to this process and its children, as root."""
    if os.geteuid() != 0:
        return
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNS)")
    _run("mount", "--make-rprivate", "/")


@contextlib.contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """Return a folder on a disk of its own of this size, in memory."""
    folder.mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0755", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _run("umount", "-l", str(folder))


def make_image(image: Path, mib: int) -> None:
    """Make a file that holds an ext4 file system."""
    with image.open("wb") as file:
        file.truncate(mib * MIB)
    _run("mkfs.ext4", "-q", "-F", str(image))


@contextlib.contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """Return the folder in which an image is mounted."""
    folder.mkdir(exist_ok=True)
    _run("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        _run("umount", "-l", str(folder))


@contextlib.contextmanager
def in_place_of(file: Path, over: Path) -> Iterator[None]:
    """Let a file be seen in the place of another one, by this process and its children."""
    _run("mount", "--bind", str(file), str(over))
    try:
        yield
    finally:
        _run("umount", "-l", str(over))


def fill(folder: Path) -> Path:
    """Take all the space that is left on a disk; give the file that has it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    continue
    return filler


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
