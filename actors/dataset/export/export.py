"""Brings a release up to the database: new days, days that have changed, all that is about them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from actors import __version__
from actors.database import queries
from actors.database.server.advice import NAMED
from actors.database.upkeep.finality import GRACE, why_open
from actors.dataset import schemas
from actors.dataset.days import days, start_of
from actors.dataset.export.day import write_day
from actors.dataset.export.listening import Listening
from actors.dataset.export.release import SUPERSEDED, TRADES, Release, opened
from actors.dataset.export.source import Source
from actors.dataset.export.tables import Span, Tables
from actors.dataset.manifest import (
    FINAL,
    OPEN,
    About,
    Cut,
    Day,
    FileEntry,
    Manifest,
    Rejected,
    Revision,
    share,
)
from actors.errors import ConfigError, Internal

_KEYS_AT_ONCE: Final = 20_000

Say = Callable[[str, Mapping[str, Any]], None]
"""Is told what happens: a word, and figures."""


class Wish(NamedTuple):
    """What a person asks for.

    Attributes:
        first: The first day.
        end: The first day that is left out.
        as_of: Nothing that was known later; None: all.
        tags: Only markets with one of these tags.
        markets: Condition ids and slugs of markets and events.
        universe: Settings that choose what is recorded.
    """

    first: date
    end: date
    as_of: datetime | None = None
    tags: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    universe: Mapping[str, str] = {}

    @property
    def cut(self) -> Cut:
        """Return what must stay the same in one directory."""
        as_of = self.as_of.isoformat().replace("+00:00", "Z") if self.as_of else None
        return Cut(as_of=as_of, tags=tuple(sorted(self.tags)), markets=tuple(sorted(self.markets)))


class Chosen(NamedTuple):
    """The markets of a release; None, None: all.

    Attributes:
        conditions: Their ids.
        keys: The numbers of their tokens.
    """

    conditions: tuple[str, ...] | None = None
    keys: tuple[int, ...] | None = None


def export(dsn: str, root: Path, wish: Wish, say: Say, *, named: str = NAMED) -> Manifest:
    """Write what is new, and return the manifest.

    Args:
        dsn: The address of the database.
        root: The directory of the release.
        wish: What is asked for.
        say: Is told how it goes on.
        named: Where the address is named, for whoever has to correct it.

    Raises:
        ConfigError: The directory is another release, a market is not known, the role may not read.
        Shortage: The disk does not take it.
        StoreUnavailable: The database does not answer.
    """
    source = Source(dsn, named=named)
    try:
        with opened(root) as release:
            return _Export(source, release, wish, say).run()
    finally:
        source.close()


class _Export:
    def __init__(self, source: Source, release: Release, wish: Wish, say: Say) -> None:
        self._source, self._release, self._wish, self._say = source, release, wish, say
        self._chosen = Chosen()

    def run(self) -> Manifest:
        manifest = self._begun()
        self._release.commit(manifest, ())
        with self._source.snapshot() as moment:
            # As of a time a day that had not come is there, and empty.
            latest = moment.now.date() if self._wish.as_of is None else self._wish.end
            self._chosen = self._choose()
        asked = [each for each in days(self._wish.first, self._wish.end) if each <= latest]
        again = [date.fromisoformat(on) for on, day in manifest.days.items() if day.state == OPEN]
        todo = sorted({*asked, *again})
        if not todo:
            raise ConfigError(
                f"--from: {self._wish.first} has not come yet: nothing is known of it"
            )
        self._say("begin", {"days": len(todo), "first": str(todo[0]), "last": str(todo[-1])})
        for on in todo:
            manifest = self._day(manifest, on)
        return self._tables(manifest)

    def _begun(self) -> Manifest:
        """Return the manifest to begin with.

        Raises:
            ConfigError: The directory has another release.
        """
        made = Manifest(
            schema_version=schemas.VERSION,
            tracker_version=__version__,
            cut=self._wish.cut,
            universe=dict(sorted(self._wish.universe.items())),
        )
        found = self._release.manifest
        if found is None:
            return made
        if found.schema_version != schemas.VERSION:
            raise ConfigError(
                f"--out: {self._release.root} has the schema {found.schema_version} of version"
                f" {found.tracker_version}, this one writes {schemas.VERSION}: name a new directory"
            )
        if found.cut != made.cut:
            raise ConfigError(
                f"--out: {self._release.root} holds another release ({_told(found.cut)}), not"
                f" {_told(made.cut)}: name a new directory"
            )
        return msgspec.structs.replace(found, tracker_version=__version__, universe=made.universe)

    def _choose(self) -> Chosen:
        """Return the markets that are asked for.

        Raises:
            ConfigError: One of them is not known, or none has a tag.
        """
        tags, names = list(self._wish.tags), list(self._wish.markets)
        if not tags and not names:
            return Chosen()
        rows = self._source.rows(queries.SELECT_DATASET_CHOSEN, tags=tags, names=names)
        lacking = sorted(set(names) - {name for _, name in rows})
        if lacking:
            raise ConfigError(f"--markets: no market or event {lacking[0][:80]} is known here")
        if not rows:
            raise ConfigError(f"--tags: no market with {', '.join(tags)} is known here")
        conditions = tuple(dict.fromkeys(condition_id for condition_id, _ in rows))
        keys = self._source.rows(queries.SELECT_DATASET_KEYS, conditions=list(conditions))
        return Chosen(conditions, tuple(key for (key,) in keys))

    # -------------------------------------------------------------------- days

    def _day(self, manifest: Manifest, on: date) -> Manifest:
        start = start_of(on)
        before = manifest.days.get(str(on))
        with self._source.snapshot() as moment:
            why_open = self._why_open(start + timedelta(days=1), moment.now)
            state = OPEN if why_open else FINAL
            count = self._source.count(
                start, start + timedelta(days=1), self._wish.as_of, self._chosen.keys
            )
            if before is not None and before.current.rows == count:
                day = msgspec.structs.replace(before, state=state, why_open=why_open)
                self._say("day", {"day": str(on), "rows": count, "state": state, "written": False})
                return _with_day(manifest, on, day, manifest.files)
            return self._write(manifest, on, count, (state, why_open))

    def _write(self, manifest: Manifest, on: date, count: int, state: tuple[str, str]) -> Manifest:
        before = manifest.days.get(str(on))
        number = len(before.revisions) + 1 if before else 1
        name = f"{TRADES}/date={on}/revision-{number}.parquet"
        done = 0

        def on_rows(more: int) -> None:
            nonlocal done
            done += more
            self._say("rows", {"day": str(on), "rows": done, "of": count})

        written = write_day(
            self._source,
            self._release.new_file(name),
            start_of(on),
            as_of=self._wish.as_of,
            keys=self._chosen.keys,
            on_rows=on_rows,
        )
        if written.entry.rows != count:
            raise Internal(f"{on}: {count} trades were counted, and {written.entry.rows} read")
        late = self._late_markets(on, written.keys.tolist())
        reason = _reason(before, count)
        revision = Revision(
            revision=number, file=name, rows=count, sha256=written.entry.sha256, reason=reason
        )
        files = {**manifest.files, name: written.entry}
        retired: tuple[tuple[str, str], ...] = ()
        earlier: tuple[Revision, ...] = before.revisions if before else ()
        if before is not None:
            old = before.current.file
            place = f"{SUPERSEDED}/{old.removeprefix(f'{TRADES}/')}"
            retired = ((old, place),)
            files[place] = files.pop(old)
            earlier = (
                *earlier[:-1],
                msgspec.structs.replace(before.current, file=place),
            )
        day = Day(
            state=state[0],
            why_open=state[1],
            revisions=(*earlier, revision),
            late_markets=tuple(late),
        )
        manifest = _with_day(manifest, on, day, files)
        self._release.commit(manifest, (name,), retired)
        told = {"day": str(on), "rows": count, "state": state[0], "written": True}
        self._say("day", {**told, "revision": number, "reason": reason})
        return manifest

    def _why_open(self, end: datetime, now: datetime) -> str:
        """Return why more trades of a day may still come; empty: its trades are all stored."""
        if self._wish.as_of is not None and self._wish.as_of < end + GRACE:
            return "the release is as of a time before its end"
        return why_open(end, now, self._source.rows(queries.SELECT_JOURNALS_SEEN))

    def _late_markets(self, on: date, keys: Sequence[int]) -> list[str]:
        found: set[str] = set()
        given = {
            "from_at": start_of(on),
            "to_at": start_of(on) + timedelta(days=1),
            "as_of": self._wish.as_of,
        }
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            some = list(keys[first : first + _KEYS_AT_ONCE])
            rows = self._source.rows(queries.SELECT_DATASET_LATE_MARKETS, keys=some, **given)
            found.update(condition_id for (condition_id,) in rows)
        return sorted(found)

    # ------------------------------------------------------------------ tables

    def _tables(self, manifest: Manifest) -> Manifest:
        """Write what is about all days, and return the manifest with it."""
        known = sorted(map(date.fromisoformat, manifest.days))
        span = Span(start_of(known[0]), start_of(known[-1]) + timedelta(days=1), self._wish.as_of)
        listening = Listening(known)
        late = sorted({each for day in manifest.days.values() for each in day.late_markets})
        done = 0

        def on_page(more: int) -> None:
            nonlocal done
            done += more
            self._say("markets", {"markets": done})

        with self._source.snapshot():
            tables = Tables(self._source, span, self._release.new_file, listening.add)
            tables.write(self._chosen.conditions, late, on_page)
            rejected = self._source.rows(queries.COUNT_DATASET_REJECTIONS, **span._asdict())
        covered, missed = listening.total
        about = About(
            labels=tables.labels,
            conflicts=tables.conflicts,
            covered_s=covered,
            missed_s=missed,
            coverage=share(covered, missed),
            rejected=tuple(
                Rejected(reason=reason, messages=messages, taken_in=taken_in)
                for reason, messages, taken_in in rejected
            ),
        )
        told = {
            str(on): msgspec.structs.replace(
                manifest.days[str(on)],
                covered_s=times[0],
                missed_s=times[1],
                coverage=share(*times),
            )
            for on, times in listening.by_day()
        }
        done_manifest = msgspec.structs.replace(
            manifest, days=told, about=about, files={**manifest.files, **tables.entries}
        )
        changed = [
            name for name, entry in tables.entries.items() if manifest.files.get(name) != entry
        ]
        self._release.commit(done_manifest, changed)
        return done_manifest


def _with_day(manifest: Manifest, on: date, day: Day, files: Mapping[str, FileEntry]) -> Manifest:
    days_now = dict(sorted({**manifest.days, str(on): day}.items()))
    return msgspec.structs.replace(manifest, days=days_now, files=dict(sorted(files.items())))


def _reason(before: Day | None, count: int) -> str:
    if before is None:
        return "first export"
    more = count - before.current.rows
    what = "trade" if abs(more) == 1 else "trades"
    since = f"since revision {before.current.revision}"
    return f"{more} more {what} stored {since}" if more > 0 else f"{-more} {what} gone {since}"


def _told(cut: Cut) -> str:
    parts = [f"as of {cut.as_of}" if cut.as_of else "all that is known"]
    parts += [f"tags {','.join(cut.tags)}"] if cut.tags else []
    parts += [f"markets {','.join(cut.markets)}"] if cut.markets else []
    return ", ".join(parts)
