"""The real store on a fake of the database driver, which keeps the bytes that COPY is given."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from psycopg.pq import TransactionStatus

from actors.database.session import Session
from actors.database.store import Store
from actors.model.market import Market
from actors.model.storage import Opened

_HEADER_BYTES = 19


class Driver:
    """A session, its connection, its cursors and its results in one: there is no server."""

    tag = "driver"

    def __init__(self) -> None:
        self.connection = self
        self.info = SimpleNamespace(transaction_status=TransactionStatus.IDLE)
        self.copied = bytearray()
        self._rows: list[tuple[Any, ...]] = []

    @property
    def rowcount(self) -> int:
        """Return how many rows COPY was given: in its format each begins with their fields."""
        rows, at = 0, _HEADER_BYTES
        while at < len(self.copied):
            (fields,) = struct.unpack_from(">h", self.copied, at)
            at += 2
            if fields < 0:
                at = _HEADER_BYTES + len(self.copied)  # the trailer
                continue
            rows += 1
            for _ in range(fields):
                (size,) = struct.unpack_from(">i", self.copied, at)
                at += 4 + max(0, size)
        return rows

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def execute(self, _query: bytes, given: Mapping[str, Any]) -> "Driver":
        """Answer with a number for each token, or with the journal position that was given."""
        tokens: Sequence[str] = given.get("tokens", ())
        self._rows = [(token, number, True) for number, token in enumerate(tokens, 1)]
        if "known" in given:  # no migration forbids to write
            self._rows = [(1, given["watermark"], None, self.tag)]
        if "midnight" in given:  # nothing was stored on that day
            self._rows = [(0, 0, None, None, None)]
        self._rows = self._rows or [(1,)]
        return self

    def fetchone(self) -> tuple[Any, ...]:
        return self._rows[0]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    def cursor(self) -> "AbstractContextManager[Driver]":
        return nullcontext(self)

    def copy(self, _query: bytes) -> "AbstractContextManager[Driver]":
        return nullcontext(self)

    def write(self, data: bytes) -> None:
        self.copied += data

    def close(self) -> None:
        """Do nothing."""


class DriverStore(Store):
    """Stores through the driver above; it neither checks the schema nor reads markets back."""

    def __init__(self) -> None:
        super().__init__("no server")
        self.driver = Driver()

    def open(self, journal_id: UUID, *, first_seq: int = 1) -> Opened:  # noqa: ARG002
        self._session = cast(Session, self.driver)
        return Opened(server="none", identity="none", timescale=False, watermark=first_seq)

    def open_markets(self) -> Iterator[tuple[Market, ...]]:
        return iter(())
