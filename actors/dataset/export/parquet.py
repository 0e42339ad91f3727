"""Parquet files whose bytes follow from their rows alone: fixed settings, no time of making."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from actors.dataset.export.release import HashedFile
from actors.dataset.manifest import FileEntry

_DICTIONARY_BYTES: Final = 64 << 20
"""Above it ids would be written out in each row."""
_STEPS: Final = "DELTA_BINARY_PACKED"
_ENCODINGS: Final = {
    "traded_at": _STEPS,
    "received_at": _STEPS,
    "epoch": _STEPS,
    "sequence": _STEPS,
    "transaction_hash": "PLAIN",
}
"""Of columns in which a value hardly returns."""
ROWS_AT_ONCE: Final = 20_000


class ParquetFile:
    """One file that is written from its beginning.

    Args:
        file: Where it goes.
        schema: Its columns.
    """

    def __init__(self, file: HashedFile, schema: pa.Schema) -> None:
        special = {name: _ENCODINGS[name] for name in schema.names if name in _ENCODINGS}
        self._file = file
        self._schema = schema
        self._writer = pq.ParquetWriter(
            file,
            schema,
            version="2.6",
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in schema.names if name not in special],
            column_encoding=special or None,
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
            write_statistics=True,
        )
        self._held: list[Sequence[Any]] = []
        self.rows = 0

    def write(self, table: pa.Table) -> None:
        """Write rows as one row group."""
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self.rows += table.num_rows

    def add(self, row: Sequence[Any]) -> None:
        """Write one row, with others."""
        self._held.append(row)
        if len(self._held) >= ROWS_AT_ONCE:
            self._write_held()

    def _write_held(self) -> None:
        columns = list(zip(*self._held, strict=True)) or [()] * len(self._schema)
        kinds = [field.type for field in self._schema]
        arrays = [pa.array(*each) for each in zip(columns, kinds, strict=True)]
        self._held = []
        self.write(pa.Table.from_arrays(arrays, schema=self._schema))

    def finish(self) -> FileEntry:
        """Write the rest, sync and close it, and return what the manifest says of it."""
        if self._held:
            self._write_held()
        self._writer.close()
        return self._file.finish(self.rows)

    def abandon(self) -> None:
        """Close it; it is not whole."""
        self._file.abandon()
        self._writer.close()
