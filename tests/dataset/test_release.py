"""A release is whole whatever happens to who writes it; what is not whole is found."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.dataset import manifest as manifests
from actors.dataset import schemas
from actors.dataset.export.parquet import ParquetFile
from actors.dataset.export.release import Release, opened, read_manifest
from actors.dataset.export.verify import faults
from actors.dataset.manifest import Cut, Day, Manifest, Revision
from actors.errors import ConfigError, Shortage

GAP: dict[str, list[Any]] = {
    "token_id": ["1"],
    "from_at": [0],
    "until_at": [1],
    "cause": ["frozen"],
}
EMPTY = Manifest(schema_version=1, tracker_version="1", cut=Cut(), universe={})


class Killed(BaseException):
    """The process ends here."""


def written(release: Release, name: str, rows: int = 0) -> manifests.FileEntry:
    """Write a file with so many rows, ready to be committed."""
    schema = schemas.schema_of(Path(name).name)
    file = ParquetFile(release.new_file(name), schema)
    if name == "gaps.parquet":
        file.write(pa.table({key: value * rows for key, value in GAP.items()}, schema))
    else:
        file.write(schema.empty_table())
    return file.finish()


def change(release: Release, number: int) -> None:
    """Commit revision `number` of a day, and other gaps."""
    name = f"trades/date=2026-03-01/revision-{number}.parquet"
    entry, gaps = written(release, name), written(release, "gaps.parquet", number)
    files = {"gaps.parquet": gaps, name: entry}
    revisions = []
    retired = []
    for earlier in range(1, number):
        place = f"superseded/date=2026-03-01/revision-{earlier}.parquet"
        files[place] = entry
        revisions.append(place)
        if earlier == number - 1:
            retired.append((f"trades/date=2026-03-01/revision-{earlier}.parquet", place))
    told = tuple(
        Revision(revision=n, file=file, rows=0, sha256=entry.sha256, reason="")
        for n, file in enumerate([*revisions, name], 1)
    )
    day = Day(state="final", why_open="", revisions=told)
    release.commit(
        Manifest(
            schema_version=1, tracker_version="1", cut=Cut(), universe={},
            days={"2026-03-01": day}, files=files,
        ),
        (name, "gaps.parquet"), retired,
    )  # fmt: skip


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return a release of one day with two revisions."""
    with opened(tmp_path / "r") as made:
        made.commit(EMPTY, ())
        change(made, 1)
        change(made, 2)
    return tmp_path / "r"


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_a_change_is_done_whole_or_not_at_all(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill it before each step that the disk sees."""
    done = tmp_path / "done"
    shutil.copytree(release, done)
    with opened(done) as made:
        change(made, 3)
    after = tree(done)
    assert list(faults(done)) == []

    def try_once(last: int) -> bool:
        """Let it be killed before its step `last`; return whether it came to the end."""
        root = tmp_path / f"killed-{last}"
        shutil.copytree(release, root)
        steps = 0

        def stepping(real: Callable[..., object]) -> Callable[..., object]:
            def step(*given: object, **more: object) -> object:
                nonlocal steps
                steps += 1
                if steps > last:
                    raise Killed
                return real(*given, **more)

            return step

        with contextlib.suppress(Killed), opened(root) as made, monkeypatch.context() as patch:
            for owner, name in ((Path, "replace"), (Path, "mkdir"), (os, "fsync")):
                patch.setattr(owner, name, stepping(getattr(owner, name)))
            change(made, 3)
        assert list(faults(root)) == []
        with opened(root) as again:
            assert again.manifest is not None
            if again.manifest.days["2026-03-01"].current.revision == 2:
                change(again, 3)
        assert list(faults(root)) == []
        assert {name: data for name, data in tree(root).items() if name != ".lock"} == {
            name: data for name, data in after.items() if name != ".lock"
        }
        shutil.rmtree(root)
        return steps <= last

    steps = next(last for last in range(100) if try_once(last))
    assert steps > 15


def test_each_byte_that_is_not_as_it_was_written_is_found(release: Path) -> None:
    for path in sorted(release.rglob("*.parquet")):
        data = bytearray(path.read_bytes())
        for place in (0, len(data) // 2, len(data) - 1):
            data[place] ^= 1
            path.write_bytes(data)
            (fault,) = faults(release)
            assert str(path.relative_to(release)) in fault
            assert "SHA-256" in fault
            data[place] ^= 1
        path.write_bytes(data)
    assert list(faults(release)) == []


def test_what_is_missing_or_does_not_belong_is_named(release: Path) -> None:
    (release / "gaps.parquet").rename(release / "trades/date=2026-03-01/mine.parquet")
    (release / "note.txt").write_text("mine")
    (release / "elsewhere").symlink_to("/etc")
    assert sorted(faults(release)) == [
        "elsewhere does not belong here",
        "gaps.parquet is missing",
        "note.txt does not belong here",
        "trades/date=2026-03-01/mine.parquet does not belong here",
    ]


def test_counts_and_columns_are_checked_beside_the_hashes(release: Path) -> None:
    path = release / "gaps.parquet"
    table = pq.read_table(path)
    pq.write_table(table.rename_columns(["token", "from_at", "until_at", "cause"]), path)
    entry = manifests.FileEntry(
        rows=7,
        bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    stored = read_manifest(release)
    assert stored is not None
    stored.manifest.files["gaps.parquet"] = entry
    (release / manifests.NAME).write_bytes(manifests.encode(stored))
    assert sorted(faults(release)) == [
        "gaps.parquet: it has 2 rows, the manifest says 7",
        "gaps.parquet: its columns are not those of schema 1",
    ]


def test_a_manifest_that_contradicts_itself_or_is_none_is_a_fault(release: Path) -> None:
    path = release / manifests.NAME
    path.write_bytes(path.read_bytes().replace(b'"rows": 0', b'"rows": 5', 1))
    assert len(list(faults(release))) >= 1
    path.write_text("{}")
    (fault,) = faults(release)
    assert "is no manifest of a release" in fault
    path.unlink()
    assert list(faults(release)) == ["manifest.json is missing: this is no release"]


def test_a_directory_in_which_nothing_was_finished_yet_has_no_fault(tmp_path: Path) -> None:
    (tmp_path / ".unfinished").mkdir()
    assert list(faults(tmp_path)) == []
    assert list(faults(tmp_path / "nowhere")) == ["manifest.json is missing: this is no release"]


def test_two_exports_do_not_write_to_one_directory(release: Path) -> None:
    with (
        opened(release),
        pytest.raises(ConfigError, match="another export writes to"),
        opened(release),
    ):
        pass


def test_a_disk_that_is_full_is_one_sentence(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    def try_it() -> None:
        with opened(release) as made, monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            change(made, 3)

    with pytest.raises(Shortage, match=r"no space, or no inode .* what is finished stays"):
        try_it()
    assert list(faults(release)) == []


def test_the_manifest_is_the_same_when_it_is_read_and_written(release: Path) -> None:
    data = (release / manifests.NAME).read_bytes()
    assert manifests.encode(manifests.decode(data)) == data
