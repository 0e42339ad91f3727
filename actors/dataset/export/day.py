"""One day of trades: from the database into one file, while memory stays flat."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from actors.dataset import schemas
from actors.dataset.export.parquet import ParquetFile
from actors.dataset.export.release import HashedFile
from actors.dataset.export.source import Source
from actors.dataset.export.trade_rows import Ints, Tokens, groups
from actors.dataset.manifest import FileEntry

SLICE: Final = timedelta(hours=1)
"""So much is asked for at once: a server that sorts does not sort a whole day."""
_AHEAD: Final = 2
"""So many batches wait at most."""


class WrittenDay:
    """What was written of a day.

    Attributes:
        entry: Of its file.
        keys: The numbers of its tokens.
    """

    def __init__(self, entry: FileEntry, keys: Ints) -> None:
        self.entry = entry
        self.keys = keys


def write_day(
    source: Source,
    file: HashedFile,
    start: datetime,
    *,
    as_of: datetime | None,
    keys: Sequence[int] | None,
    on_rows: Callable[[int], None],
) -> WrittenDay:
    """Write the trades of a day, within a snapshot of the source.

    Args:
        source: The database.
        file: Where they go.
        start: The beginning of the day.
        as_of: Nothing that was received later; None: all.
        keys: Of these tokens alone; None: of all.
        on_rows: Told how many rows have been written more.

    Raises:
        ConfigError: A trade does not fit a release.
        StoreUnavailable: The database does not answer.
    """
    seen: set[int] = set()

    def look(wanted: Sequence[int]) -> Sequence[tuple[int, str, str | None]]:
        rows = source.tokens(wanted)
        seen.update(wanted)
        return rows

    parquet = ParquetFile(file, schemas.TRADES)
    try:
        with _Ahead(_batches(source, start, as_of, keys)) as batches:
            for table in groups(batches, Tokens(look)):
                parquet.write(table)
                on_rows(table.num_rows)
        if not parquet.rows:
            parquet.write(schemas.TRADES.empty_table())
        entry = parquet.finish()
    except BaseException:
        parquet.abandon()
        raise
    return WrittenDay(entry, np.fromiter(seen, np.int64, len(seen)))


def _batches(
    source: Source, start: datetime, as_of: datetime | None, keys: Sequence[int] | None
) -> Iterator[pa.RecordBatch]:
    end = start + timedelta(days=1)
    while start < end:
        yield from source.trades(start, min(start + SLICE, end), as_of, keys)
        start += SLICE


class _Ahead:
    """Batches that another thread reads while this one writes."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._waiting: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(_AHEAD)
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name="dataset-reader", daemon=True)

    def __enter__(self) -> Iterator[pa.RecordBatch]:
        self._reader.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._reader.join()

    def _read(self) -> None:
        last: BaseException | None = None
        try:
            for batch in self._batches:
                if not self._put(batch):
                    return
        except BaseException as exc:  # noqa: BLE001 - it is raised where they are written
            last = exc
        self._put(last)

    def _put(self, item: "pa.RecordBatch | BaseException | None") -> bool:
        """Wait for space; return whether anybody still wants it."""
        while not self._ended.is_set():
            with contextlib.suppress(queue.Full):
                self._waiting.put(item, timeout=1)
                return True
        return False

    def _taken(self) -> Iterator[pa.RecordBatch]:
        while (found := self._waiting.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found
