"""Checks a release: that it is what its manifest says, and nothing else."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from actors.dataset import manifest as manifests
from actors.dataset import schemas
from actors.dataset.export.release import IGNORED, UNFINISHED, read_manifest, sha256_of
from actors.dataset.manifest import FileEntry, Manifest, Stored
from actors.errors import ConfigError


def faults(root: Path) -> Iterator[str]:
    """Yield each fault of a release, one line each; nothing when it is whole.

    A change that was cut off is no fault: each of its files must be whole, old or new, here or on
    its way.
    """
    try:
        stored = read_manifest(root)
    except ConfigError as exc:
        yield str(exc)
        return
    there = _there(root)
    if stored is None:
        # An export that was cut off before its first file was whole has left nothing but that.
        if there or not (root / UNFINISHED).exists():
            yield f"{manifests.NAME} is missing: this is no release"
        return
    yield from _of_manifest(stored.manifest)
    expected, staged = _expected(stored)
    before = stored.manifest.files
    for name in sorted(expected.keys() | there):
        places = [place for place in (name, *staged.get(name, ())) if (root / place).exists()]
        if name not in expected and name not in before:
            yield f"{name} does not belong here"
        elif not places:
            yield f"{name} is missing"
        elif name not in expected:
            yield from _of_file(root, name, name, before[name])
        else:
            # On its way: what it takes the place of may still be here.
            found = [list(_of_file(root, place, name, expected[name])) for place in places]
            if (
                name in before
                and len(places) > 1
                and not any(_of_file(root, name, name, before[name]))
            ):
                found = found[1:]
            yield from min(found, key=len)


def _there(root: Path) -> set[str]:
    """Return all files of a release but its manifest, by their paths in it; empty folders, too."""
    found: set[str] = set()
    for folder, folders, names in os.walk(root):
        at = Path(folder).relative_to(root)
        if at == Path():
            folders[:] = [name for name in folders if name not in IGNORED]
        ours = (*IGNORED, manifests.NAME) if at == Path() else ()
        found |= {str(at / name) for name in names if name not in ours}
        links = [name for name in folders if (root / at / name).is_symlink()]
        found |= {str(at / name) for name in links}
    return found


def _expected(stored: Stored) -> tuple[Mapping[str, FileEntry], Mapping[str, list[str]]]:
    """Return the files that must be there, and where each may be as well."""
    if stored.pending is None:
        return stored.manifest.files, {}
    places: dict[str, list[str]] = {}
    for source, target in stored.pending.moves:
        places.setdefault(target, []).append(source)
    return stored.pending.next.files, places


def _of_file(root: Path, place: str, name: str, entry: FileEntry) -> Iterator[str]:
    """Yield the faults of one file, which must be as the entry says."""
    path = root / place
    try:
        if path.is_symlink():
            yield f"{name} is a link"
            return
        size, digest = sha256_of(path)
        if digest != entry.sha256:
            what = f"it has {size} bytes, not {entry.bytes}" if size != entry.bytes else digest
            yield f"{name}: its SHA-256 is not that of the manifest ({what})"
            return
        told = pq.read_metadata(path)
        if told.num_rows != entry.rows:
            yield f"{name}: it has {told.num_rows} rows, the manifest says {entry.rows}"
        wanted, columns = schemas.schema_of(Path(name).name), pq.read_schema(path)
        if not columns.equals(wanted) or columns.metadata != wanted.metadata:
            yield f"{name}: its columns are not those of schema {schemas.VERSION}"
    except (OSError, pa.ArrowException) as exc:
        yield f"{name}: cannot be read: {exc}"


def _of_manifest(manifest: Manifest) -> Iterator[str]:
    """Yield what does not agree within a manifest."""
    if manifest.schema_version != schemas.VERSION:
        yield (
            f"{manifests.NAME}: schema {manifest.schema_version} is that of another version of the"
            f" tracker ({manifest.tracker_version}); this one checks schema {schemas.VERSION}"
        )
    named = {revision.file for day in manifest.days.values() for revision in day.revisions}
    named |= set(schemas.TABLES)
    for name in sorted(manifest.files.keys() - named):
        yield f"{manifests.NAME}: names {name}, which belongs to no day"
    for on, day in sorted(manifest.days.items()):
        for number, revision in enumerate(day.revisions, 1):
            entry = manifest.files.get(revision.file)
            told = (revision.revision, revision.rows, revision.sha256)
            if entry is None or told != (number, entry.rows, entry.sha256):
                yield f"{manifests.NAME}: revision {number} of {on} is not told alike twice"
