"""`Dataset`: three lines from a release, or a database, to a table for training.

Nothing in a table as of a time was known later: trades by their receipt, labels and contradictions
by when they were recorded, coverage by when it was proven, events and groups by the history of
markets. A database is read by way of a release of these days, so both are the same.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from actors.dataset.days import day, moment
from actors.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

    from actors.dataset.tables import Release

When = str | date | datetime

AROUND: Final = timedelta(seconds=30)
_ADDRESSES: Final = ("postgresql://", "postgres://")


class Dataset:
    """The data of a release, or of a database.

    Args:
        source: The directory of a release, or the address of a database, `postgresql://…`.
    """

    def __init__(self, source: str | Path) -> None:
        self._source = str(source)
        self._convert = "polars"

    def pandas(self) -> Self:
        """Return the same, which gives tables of pandas, with exact numbers of Arrow."""
        return self._giving("pandas")

    def duckdb(self) -> Self:
        """Return the same, which gives relations of DuckDB."""
        return self._giving("duckdb")

    def training(
        self, from_: When, to: When, as_of: When | None = None, *, around: timedelta = AROUND
    ) -> Any:
        """Return one row a trade, with what was known of it; NULL where nothing was.

        Columns: traded_at, received_at, condition_id, token_id, side, price, size, occurrence,
        label (what the token paid), known_at, resolved_at, contested, seconds_to_resolution,
        listened, event_id, neg_risk_market_id, group (what must stay on one side of a split).

        Args:
            from_: The first day, UTC.
            to: The first day that is left out.
            as_of: Nothing that was known later; None: all that is known.
            around: `listened` is true when its token was listened to from so long before a trade
                until so long after it; at most an hour.

        Raises:
            ConfigError: There is no such release, or it lacks one of the days.
            StoreUnavailable: The database does not answer.
        """
        with self._release(from_, to, as_of) as release:
            return self._given(release.training(around))

    def bars(
        self, token_id: str, width: timedelta, from_: When, to: When, as_of: When | None = None
    ) -> Any:
        """Return a row for each stretch of time: what was traded of a token.

        Columns: at, open, high, low, close, volume, trades, listened. Where it was not listened to
        all the time all of them are NULL; where it was and nothing was traded `trades` and `volume`
        are 0.

        Args:
            token_id: The token.
            width: How long each stretch is.
            from_: The first day, UTC, at whose beginning the first stretch begins.
            to: The first day that is left out.
            as_of: Nothing that was known later; None: all that is known.

        Raises:
            ConfigError: As for `training`; or there would be too many.
        """
        with self._release(from_, to, as_of) as release:
            return self._given(release.bars(token_id, width))

    def price_path(
        self, token_id: str, width: timedelta, from_: When, to: When, as_of: When | None = None
    ) -> Any:
        """Return the last price of a token at the end of each stretch: at, price.

        It is NULL before the first trade, where it was not listened to, and from then on until the
        next trade: nobody knows what it was. Arguments and errors as those of `bars`.
        """
        with self._release(from_, to, as_of) as release:
            return self._given(release.price_path(token_id, width))

    def _giving(self, what: str) -> Self:
        other = type(self)(self._source)
        other._convert = what  # noqa: SLF001 - it is one of ours
        return other

    def _given(self, frame: "pl.DataFrame") -> Any:
        if self._convert == "pandas":
            return frame.to_pandas(use_pyarrow_extension_array=True)
        if self._convert == "duckdb":
            import duckdb  # noqa: PLC0415 - where the user has it

            return duckdb.from_arrow(frame.to_arrow())
        return frame

    @contextmanager
    def _release(self, from_: When, to: When, as_of: When | None) -> "Iterator[Release]":
        """Yield the days that are asked for.

        Raises:
            ConfigError: `to` is not after `from_`.
        """
        from actors.dataset.tables import Release  # noqa: PLC0415 - only frames need polars

        first, end = _day(from_, "from_"), _day(to, "to")
        if end <= first:
            raise ConfigError(f"to: {end} is not after {first}; it is the first day left out")
        at = None if as_of is None else moment(as_of, what="as_of")
        if not self._source.startswith(_ADDRESSES):
            yield Release(Path(self._source), first, end, at)
            return
        from actors.dataset.export.export import Wish, export  # noqa: PLC0415 - likewise

        with tempfile.TemporaryDirectory(prefix="tracker-dataset-") as place:
            export(self._source, Path(place), Wish(first, end, at), lambda *_: None)
            yield Release(Path(place), first, end, at)


def _day(given: When, what: str) -> date:
    if isinstance(given, datetime):
        return moment(given, what=what).date()
    if isinstance(given, date):
        return given
    return day(given, today=datetime.now(UTC).date(), what=what)
