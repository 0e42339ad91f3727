"""The manifest of a release: what is in it, of which state, and how it was chosen. Values alone.

The same release has the same manifest, byte for byte: it names no time at which it was made.
"""

from typing import Final

import msgspec

NAME: Final = "manifest.json"
FINAL, OPEN = "final", "open"


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a release."""

    rows: int
    bytes: int
    sha256: str


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """The trades of a day as they were exported at a time.

    Attributes:
        file: Where they are: in place, or in `superseded`.
        reason: Why it was written, for people.
    """

    revision: int
    file: str
    rows: int
    sha256: str
    reason: str


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One day of trades (UTC).

    Attributes:
        state: `final` when all that was received of it is stored, else `open`.
        why_open: What is still awaited; empty for a final day.
        revisions: The last one is in place.
        late_markets: Markets with trades of this day that were resolved before it, or listed later.
        covered_s: Token-seconds that were listened to.
        missed_s: Token-seconds that were wanted and not listened to.
        coverage: Share of the first in both, rounded down to six digits; None without any.
    """

    state: str
    why_open: str
    revisions: tuple[Revision, ...]
    late_markets: tuple[str, ...] = ()
    covered_s: float = 0.0
    missed_s: float = 0.0
    coverage: float | None = None

    @property
    def current(self) -> Revision:
        """Return the revision that is in place."""
        return self.revisions[-1]


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """What a release takes from the database; it stays the same in one directory.

    Attributes:
        as_of: Nothing that was known later is in it; None: all that is known.
        tags: Only markets with one of these tags; with `markets`, those too.
        markets: Condition ids and slugs.
    """

    as_of: str | None = None
    tags: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Markets by what is known of their outcome."""

    winner: int = 0
    split: int = 0
    contested: int = 0
    unresolved: dict[str, int] = {}


class Conflicts(msgspec.Struct, frozen=True, kw_only=True):
    """Contradictions of one kind."""

    open: int = 0
    cleared: int = 0


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that may be trades and were rejected, by their reason."""

    reason: str
    messages: int
    taken_in: int


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of the release as a whole."""

    labels: Labels = Labels()
    conflicts: dict[str, Conflicts] = {}
    rejected: tuple[Rejected, ...] = ()
    covered_s: float = 0.0
    missed_s: float = 0.0
    coverage: float | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A release.

    Attributes:
        schema_version: That of `schemas.VERSION` with which it was written.
        tracker_version: Of the program.
        universe: Settings that choose what is recorded, as they were given to the export.
        days: By date.
        files: All files but this one, by their path in the release.
    """

    schema_version: int
    tracker_version: str
    cut: Cut
    universe: dict[str, str]
    days: dict[str, Day] = {}
    about: About = About()
    files: dict[str, FileEntry] = {}


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A change that has begun: every file that it needs is whole, and some may have moved already.

    Attributes:
        next: The manifest when it is done.
        moves: From where to where, by paths in the release; in this order.
    """

    next: Manifest
    moves: tuple[tuple[str, str], ...]


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest's file holds."""

    manifest: Manifest
    pending: Pending | None = None


class _File(Manifest, frozen=True, kw_only=True):
    """The form of the file: the manifest itself, and beside it a change that has begun."""

    pending: Pending | None = None


_decoder = msgspec.json.Decoder(_File)


def encode(stored: Stored) -> bytes:
    """Return the bytes of the file."""
    given = {name: getattr(stored.manifest, name) for name in Manifest.__struct_fields__}
    if stored.pending is not None:
        given["pending"] = stored.pending
    text = msgspec.json.encode(given, order="sorted")
    return msgspec.json.format(text, indent=1) + b"\n"


def decode(data: bytes) -> Stored:
    """Return what the file holds.

    Raises:
        msgspec.DecodeError: It is no manifest.
    """
    found = _decoder.decode(data)
    given = {name: getattr(found, name) for name in Manifest.__struct_fields__}
    return Stored(manifest=Manifest(**given), pending=found.pending)


def share(covered_s: float, missed_s: float) -> float | None:
    """Return which part of the wanted time was listened to, rounded down; None: none was wanted."""
    whole = covered_s + missed_s
    return int(covered_s * 1_000_000 / whole) / 1_000_000 if whole else None
