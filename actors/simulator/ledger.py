"""The ledger: what was sent and decided, one JSON object a line.

`ledger.jsonl` is only appended to. The lines of a turn are written with one `write` before any
byte of that turn goes to a socket, so that a trade that somebody received is in the ledger even
after kill -9. An unfinished last line (power loss) is ended by a newline when the file is opened
again, and skipped by readers. Fields: docs/reference/simulator.md.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

NAME = "ledger.jsonl"
_KEPT = (b'{"kind":"market"', b'{"kind":"outcome"', b'{"kind":"run"')


class Ledger:
    """An open ledger.

    Args:
        directory: Made when it does not exist.

    Raises:
        OSError: The directory or file cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / NAME
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.path, flags, 0o644)
        self._lines: list[bytes] = []
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")

    def add(self, kind: str, **fields: Any) -> None:
        """Keep a line for the next `flush`; its first key is its kind."""
        self._lines.append(msgspec.json.encode({"kind": kind, **fields}))

    def flush(self) -> None:
        """Write the added lines."""
        if not self._lines:
            return
        data = memoryview(b"\n".join(self._lines) + b"\n")
        self._lines.clear()
        while data:
            data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """Write the rest and close."""
        self.flush()
        os.close(self._fd)


def history(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of kind run, market and outcome, oldest first, without unfinished ones."""
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(_KEPT):
                try:
                    yield msgspec.json.decode(line)
                except msgspec.DecodeError:
                    continue
