"""The directory of a release: each change of it is done whole, or not at all.

New files are written and synced below `.unfinished`. Then the manifest says what is to move where
(`pending`), the moves are made, and the manifest says that it is done. Killed at any moment, the
next run finishes a change that had begun; what had not begun is removed. Nobody finds two files of
one day in place: the old one has gone to `superseded` before the new one comes.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from actors.dataset import manifest as manifests
from actors.dataset.manifest import FileEntry, Manifest, Pending, Stored
from actors.errors import ConfigError, Shortage, reason_of, start_error

UNFINISHED: Final = ".unfinished"
SUPERSEDED: Final = "superseded"
TRADES: Final = "trades"
_LOCK: Final = ".lock"
_LARGEST_MANIFEST: Final = 256 << 20


class HashedFile:
    """A file that is written once, from its beginning, and knows its hash.

    Attributes:
        size: Bytes that were written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _new(path)
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write all of it."""
        if self._file.closed:
            return len(data)  # abandoned: who writes it closes it all the same
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Do nothing: what counts is `finish`."""

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.size

    @property
    def closed(self) -> bool:
        """Return False: one that was abandoned takes what is written, and forgets it."""
        return False

    def close(self) -> None:
        """Do nothing: who writes Parquet closes before it is synced."""

    def finish(self, rows: int) -> FileEntry:
        """Sync and close it, and return what the manifest says of it."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        return FileEntry(rows=rows, bytes=self.size, sha256=self._hash.hexdigest())

    def abandon(self) -> None:
        """Close it without syncing."""
        self._file.close()


def _new(path: Path) -> BinaryIO:
    """Open an empty file, in place of any, that others may read: a release is for people."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, 0o644), "wb")


def sha256_of(path: Path) -> tuple[int, str]:
    """Return size and hash of a file."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(root: Path) -> Stored | None:
    """Return what the manifest of a release says; None if there is none.

    Raises:
        ConfigError: It cannot be read, or is no manifest.
    """
    path = root / manifests.NAME
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_MANIFEST)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise start_error(exc, f"{path}: cannot be read") from exc
    try:
        return manifests.decode(data)
    except msgspec.DecodeError as exc:
        raise ConfigError(f"{path}: is no manifest of a release: {exc}") from exc


class Release:
    """A release that is written to, by one process at a time. Opened by `opened`.

    Attributes:
        root: Its directory.
        manifest: What it says now; None in a new one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        stored = read_manifest(root)
        if stored is not None and stored.pending is not None:
            self._finish(stored.pending)
            stored = Stored(manifest=stored.pending.next)
        self.manifest: Manifest | None = stored.manifest if stored else None
        shutil.rmtree(root / UNFINISHED, ignore_errors=True)
        (root / UNFINISHED).mkdir()

    def new_file(self, name: str) -> HashedFile:
        """Return a new file that is to come to this place in the release, by `commit`."""
        return HashedFile(self.root / UNFINISHED / name.replace("/", "+"))

    def commit(
        self, manifest: Manifest, staged: Sequence[str], retired: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Let the release be what this manifest says.

        Args:
            manifest: Of then.
            staged: Places of files that are finished and new, or take the place of others.
            retired: Files that go elsewhere, from where to where, before the new ones come.
        """
        moves = (*retired, *((f"{UNFINISHED}/{name.replace('/', '+')}", name) for name in staged))
        if moves:
            _sync(self.root / UNFINISHED)
            pending = Pending(next=manifest, moves=tuple(moves))
            self._write(Stored(manifest=self.manifest or _nothing_of(manifest), pending=pending))
            self._finish(pending)
        elif manifest != self.manifest:
            self._write(Stored(manifest=manifest))
        self.manifest = manifest

    def _finish(self, pending: Pending) -> None:
        for source, target in pending.moves:
            place = self.root / target
            if not place.parent.exists():
                place.parent.mkdir(parents=True)
                _sync(place.parent.parent)
            if (self.root / source).exists():  # else it has moved already
                (self.root / source).replace(place)
                _sync(place.parent)
                _sync((self.root / source).parent)
        self._write(Stored(manifest=pending.next))

    def _write(self, stored: Stored) -> None:
        staged = self.root / f".{manifests.NAME}.new"
        with _new(staged) as file:
            file.write(manifests.encode(stored))
            file.flush()
            os.fsync(file.fileno())
        staged.replace(self.root / manifests.NAME)
        _sync(self.root)


def _nothing_of(manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, days={}, files={}, about=manifests.About())


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


IGNORED: Final = (UNFINISHED, _LOCK, f".{manifests.NAME}.new")
"""What may lie in a release beside what its manifest names: it is removed by the next run."""


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Release]:
    """Yield the release in a directory, which is made if need be; nobody else writes to it.

    Raises:
        ConfigError: It cannot be made or written, holds something else, or another process writes.
        Shortage: The machine lacks space or descriptors.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        others = {each.name for each in root.iterdir()}.difference(IGNORED)
        if others and manifests.NAME not in others:
            raise ConfigError(
                f"--out: {root} is not empty and holds no release ({min(others)}):"
                " name a new directory"
            )
        lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        raise start_error(exc, f"--out: {root} cannot be written to") from exc
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"--out: another export writes to {root}: wait until it has ended"
            ) from None
        with told(root):
            release = Release(root)
            yield release
            shutil.rmtree(root / UNFINISHED, ignore_errors=True)
    finally:
        os.close(lock)


@contextlib.contextmanager
def told(root: Path) -> Iterator[None]:
    """Raise errors of the system about a release as errors that say what to do.

    Raises:
        Shortage: Also for what was not expected: another run goes on where this one ended.
    """
    try:
        yield
    except OSError as exc:
        raise Shortage(f"{root}: {reason_of(exc)}; what is finished stays, run it again") from exc
