"""Tables of some days of a release, as of a time."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from actors.dataset.days import days, start_of
from actors.dataset.export.release import read_manifest
from actors.dataset.export.tables import MARGIN
from actors.dataset.grouping import groups
from actors.dataset.manifest import Manifest
from actors.errors import ConfigError

_LARGEST_SUM: Final = 9.9e19
_MOST_BARS: Final = 10_000_000
_COLUMNS: Final = (
    *("traded_at", "received_at", "condition_id", "token_id", "side", "price", "size"),
    *("occurrence", "label", "known_at", "resolved_at", "contested", "seconds_to_resolution"),
    *("listened", "event_id", "neg_risk_market_id", "group"),
)
_JOINING: Final = pl.Struct({"event_id": pl.String, "neg_risk_market_id": pl.String})


class Release:
    """Some days of a release, as of a time.

    Args:
        root: Its directory.
        first: The first day.
        end: The first day that is left out.
        as_of: Nothing that was known later; None: all that the release knows.

    Raises:
        ConfigError: It is no release, or lacks a day, or was made as of an earlier time.
    """

    def __init__(self, root: Path, first: date, end: date, as_of: datetime | None) -> None:
        self._root, self._from, self._to = root, start_of(first), start_of(end)
        manifest = _manifest(root)
        made = manifest.cut.as_of
        made_at = datetime.fromisoformat(made) if made else None
        if as_of is not None and made_at is not None and as_of > made_at:
            raise ConfigError(f"as_of: the release in {root} is as of {made}, which is earlier")
        self._as_of = as_of or made_at
        lacking = [str(on) for on in days(first, end) if str(on) not in manifest.days]
        if lacking:
            raise ConfigError(
                f"the release in {root} lacks {lacking[0]}: export it with tracker-export"
                f" --from {lacking[0]} --out {root}"
            )
        self._files = [root / manifest.days[str(on)].current.file for on in days(first, end)]

    # ------------------------------------------------------------------ training

    def training(self, around: timedelta) -> pl.DataFrame:
        """Return one row a trade; see `Dataset.training`.

        Raises:
            ConfigError: `around` is longer than what a release knows beyond its days.
        """
        if not timedelta() <= around <= MARGIN:
            raise ConfigError(f"around: must be from 0 to {MARGIN}, not {around}")
        frame = self._trades().join(
            self._labels(), on="token_id", how="left", maintain_order="left"
        )
        frame = frame.join(self._joined(), on="condition_id", how="left", maintain_order="left")
        until_then = pl.col("resolved_at") - pl.col("traded_at")
        frame = self._with_listened(frame, around)
        return frame.with_columns(
            seconds_to_resolution=(until_then.dt.total_microseconds() / 1_000_000).round(6),
            group=pl.col("group").fill_null(pl.lit("market ") + pl.col("condition_id")),
        ).select(_COLUMNS)

    def _trades(self, token_id: str | None = None) -> pl.DataFrame:
        frame = pl.scan_parquet(self._files, hive_partitioning=False)
        if self._as_of is not None:
            frame = frame.filter(pl.col("received_at") <= self._as_of)
        if token_id is not None:
            frame = frame.filter(pl.col("token_id") == token_id)
        texts = ("condition_id", "token_id", "side")
        return frame.with_columns(pl.col(*texts).cast(pl.String)).collect()

    def _read(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self._root / f"{name}.parquet")

    def _labels(self) -> pl.DataFrame:
        frame = self._read("labels")
        if self._as_of is None:
            open_then = pl.element().struct.field("until_at").is_null()
        else:
            frame = frame.filter(pl.col("known_at") <= self._as_of)
            until = pl.element().struct.field("until_at")
            open_then = (pl.element().struct.field("from_at") <= self._as_of) & (
                until.is_null() | (until > self._as_of)
            )
        of_outcome = pl.element().struct.field("kind") == "outcome"  # as labels_as_of has it
        contested = pl.col("conflicts").list.eval(open_then & of_outcome).list.any()
        return frame.select(
            "token_id",
            pl.col("payout").alias("label"),
            "known_at",
            "resolved_at",
            contested.fill_null(value=False).alias("contested"),
        )

    def _joined(self) -> pl.DataFrame:
        """Return event and group of each market, as they were known."""
        told = self._read("markets").select("condition_id", "history").explode("history")
        told = told.unnest("history").filter(pl.col("known_at").is_not_null())
        if self._as_of is not None:
            told = told.filter(pl.col("known_at") <= self._as_of)
        told = told.with_columns(pl.col("changes").str.json_decode(_JOINING)).unnest("changes")
        ids = pl.col("event_id", "neg_risk_market_id").drop_nulls().last()
        known = told.group_by("condition_id", maintain_order=True).agg(ids)
        named = groups(known.iter_rows())
        return known.with_columns(
            group=pl.Series([named[each] for each in known["condition_id"]], dtype=pl.String)
        )

    def _coverage(self) -> pl.DataFrame:
        frame = self._read("coverage").with_columns(pl.col("token_id").cast(pl.String))
        if self._as_of is not None:
            frame = frame.filter(
                (pl.col("known_at") <= self._as_of) & (pl.col("from_at") < self._as_of)
            ).with_columns(pl.min_horizontal("until_at", pl.lit(self._as_of)).alias("until_at"))
        return frame.select("token_id", "from_at", "until_at").sort("from_at")

    def _with_listened(self, frame: pl.DataFrame, around: timedelta) -> pl.DataFrame:
        asked = frame.with_row_index("row").with_columns(
            since=(pl.col("traded_at") - around).cast(pl.Datetime("us", "UTC"))
        )
        found = asked.sort("since").join_asof(
            self._coverage(),
            left_on="since",
            right_on="from_at",
            by="token_id",
            strategy="backward",
            check_sortedness=False,
        )
        whole = (pl.col("until_at") >= pl.col("traded_at") + around).fill_null(value=False)
        return found.with_columns(listened=whole).sort("row")

    # ---------------------------------------------------------------------- bars

    def bars(self, token_id: str, width: timedelta) -> pl.DataFrame:
        """Return a row for each stretch; see `Dataset.bars`.

        Raises:
            ConfigError: The width is not above 0, gives too many, or a volume is too large.
        """
        series = self._series(width)
        step, start = width // timedelta(microseconds=1), self._from
        number = (pl.col("traded_at") - start).dt.total_microseconds() // step
        ordered = self._trades(token_id).sort(
            "traded_at", "received_at", "epoch", "sequence", maintain_order=True
        )
        traded = (
            ordered.group_by(number.alias("number"), maintain_order=True)
            .agg(
                open=pl.col("price").first(),
                high=pl.col("price").max(),
                low=pl.col("price").min(),
                close=pl.col("price").last(),
                volume=pl.col("size").sum(),
                trades=pl.len().cast(pl.Int64),
                about=pl.col("size").cast(pl.Float64).sum(),
            )
            .with_columns(pl.col("number").cast(pl.Int64))
        )
        if (traded["about"] > _LARGEST_SUM).any():  # a sum that is larger would be another number
            raise ConfigError(f"the volume of {token_id} has more than 38 digits")
        covered = self._coverage().filter(pl.col("token_id") == token_id)
        found = series.join(traded, on="number", how="left", maintain_order="left").join_asof(
            covered, left_on="at", right_on="from_at", strategy="backward"
        )
        listened = (pl.col("until_at") >= pl.col("at") + width).fill_null(value=False)
        told = ("open", "high", "low", "close")
        amounts = (pl.col("volume").fill_null(0), pl.col("trades").fill_null(0))
        return (
            found.with_columns(listened=listened)
            .with_columns(
                *(pl.when("listened").then(pl.col(name)).alias(name) for name in told),
                *(pl.when("listened").then(each) for each in amounts),
            )
            .select("at", *told, "volume", "trades", "listened")
        )

    def price_path(self, token_id: str, width: timedelta) -> pl.DataFrame:
        """Return the last price at the end of each stretch; see `Dataset.price_path`."""
        frame = self.bars(token_id, width)
        parts = (~pl.col("listened")).cum_sum()
        filled = pl.col("close").forward_fill().over(parts)
        return frame.select(
            (pl.col("at") + width).alias("at"), pl.when("listened").then(filled).alias("price")
        )

    def _series(self, width: timedelta) -> pl.DataFrame:
        if width <= timedelta() or (self._to - self._from) / width > _MOST_BARS:
            raise ConfigError(f"width: must be above 0 and give at most {_MOST_BARS:,} rows")
        number = -(-(self._to - self._from) // width)
        micros = width // timedelta(microseconds=1)
        at = pl.lit(self._from) + pl.duration(microseconds=pl.col("number") * micros)
        series = pl.DataFrame({"number": pl.int_range(number, eager=True, dtype=pl.Int64)})
        return series.with_columns(at=at.cast(pl.Datetime("us", "UTC")))


def _manifest(root: Path) -> Manifest:
    """Return the manifest of a release.

    Raises:
        ConfigError: There is none.
    """
    stored = read_manifest(root)
    if stored is None:
        raise ConfigError(f"{root}: there is no release (no manifest.json)")
    return stored.manifest
