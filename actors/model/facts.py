"""The records of the journal: their meaning and their encoding.

The journal (`journal.journal`) holds numbered byte strings; their meaning is defined here.
Whatever must survive the death of the process is one of these records. Records are MessagePack
arrays: tags and the order of fields are stored, the names are not. All times are wall clock
nanoseconds since 1970 (UTC).

Frames are kept as received, with the occurrences that were assigned to their trades. A replay
decodes the frames again, but never assigns occurrences again. Rejected events are numbered too:
a later version may find a trade in one, and then knows its occurrence and those of the others.

An *epoch* is the time for which one connection listens. Its number is the journal sequence of
its `ListeningOpened` record, so it is unique in the journal and only grows.
"""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from actors.model.trade import TokenId


class RejectedEvent(NamedTuple):
    """An event of some frames that is no trade.

    Attributes:
        trades_before: How many trades of the same record stand in front of it.
        occurrence: k for the k-th event with the same bytes on its connection.
    """

    trades_before: int
    occurrence: int


def rejected_numbers(events: Iterable[RejectedEvent]) -> tuple[int, ...]:
    """Return rejected events as numbers below 0, two for each, for `FramesSeen.occurrences`."""
    return tuple(
        chain.from_iterable((-each.trades_before - 1, -each.occurrence) for each in events)
    )


class FramesSeen(msgspec.Struct, frozen=True, tag="frames", array_like=True, gc=False):
    """Frames that arrived together and hold trades or rejections, verbatim.

    Attributes:
        occurrences: One for each trade that `polymarket.channel.decode` finds in `raws`, in
            order; 0 for a trade that another connection records (of a canary token). Behind
            them what `rejected_numbers` makes of the rejected events; versions that do not know
            of it leave it out, as it is more than they find trades.
        hashes: The `trade_hash` of each of the others, as the process that appended the
            record computed it.
    """

    epoch: int
    connection: str
    received_at_ns: int
    occurrences: tuple[int, ...]
    raws: tuple[bytes, ...]
    hashes: tuple[int, ...] = ()

    @property
    def trade_occurrences(self) -> tuple[int, ...]:
        """Return the occurrences of trades alone."""
        return tuple([number for number in self.occurrences if number >= 0])

    @property
    def rejected(self) -> tuple[RejectedEvent, ...]:
        """Return the rejected events, in order; none if the record is older than their numbers."""
        numbers = [-number for number in self.occurrences if number < 0]
        pairs = zip(numbers[::2], numbers[1::2], strict=False)
        return tuple(RejectedEvent(place - 1, occurrence) for place, occurrence in pairs)


class FrameSeen(msgspec.Struct, frozen=True, tag="frame", array_like=True, gc=False):
    """One frame, as it was written before `FramesSeen` existed."""

    epoch: int
    connection: str
    received_at_ns: int
    occurrences: tuple[int, ...]
    raw: bytes
    hashes: tuple[int, ...] = ()

    @property
    def as_frames(self) -> FramesSeen:
        """Return the same as it is written now."""
        return FramesSeen(
            epoch=self.epoch,
            connection=self.connection,
            received_at_ns=self.received_at_ns,
            occurrences=self.occurrences,
            raws=(self.raw,),
            hashes=self.hashes,
        )


class ProcessStarted(msgspec.Struct, frozen=True, tag="start", array_like=True):
    """A process opened the journal: every epoch that is open below this record has ended."""

    at_ns: int
    host: str
    version: str


class DayMeasured(msgspec.Struct, frozen=True):
    """What one process has measured of the present day, in seconds and token-seconds.

    Attributes:
        since_ns: From when on: midnight UTC, or when the process began.
        tokens: Tokens that are wanted now.
        wanted_s, gap_s: How long each token was wanted, and of that not proven, added up.
        blackout_s: For how long tokens were wanted and none at all was listened to.
    """

    since_ns: int
    tokens: int = 0
    wanted_s: float = 0.0
    gap_s: float = 0.0
    blackout_s: float = 0.0


class ProcessAlive(msgspec.Struct, frozen=True, tag="alive", array_like=True):
    """The process was alive and supervised its connections at this time.

    Attributes:
        day: What it has measured of the day; for the status of the next process.
    """

    at_ns: int
    day: DayMeasured | None = None


class ProcessStopped(msgspec.Struct, frozen=True, tag="stop", array_like=True):
    """The process stopped in good order."""

    at_ns: int


LARGEST_RECORD_BYTES: Final = 32 << 20
"""Most bytes of one record of the journal, and so of one message of the feed, which is kept whole.

A message that is nearly as large may make a record that is larger: it is a gap, too.
"""

NO_EPOCH: Final = 0
"""The epoch of facts that belong to no connection. Sequences begin with 1.

Tokens that were not discovered are confirmed and released in it at one time, since which they could
have been watched.
"""


class TokensWanted(msgspec.Struct, frozen=True, tag="want", array_like=True):
    """From this time on these tokens are wanted."""

    at_ns: int
    tokens: tuple[TokenId, ...]


class TokensUnwanted(msgspec.Struct, frozen=True, tag="unwant", array_like=True):
    """From this time on these tokens are no longer wanted (resolved, filtered out)."""

    at_ns: int
    tokens: tuple[TokenId, ...]


class ListeningOpened(msgspec.Struct, frozen=True, tag="open", array_like=True):
    """A connection completed its handshake. The sequence of this record is the epoch."""

    at_ns: int
    connection: str
    feed: int


class TokensConfirmed(msgspec.Struct, frozen=True, tag="confirm", array_like=True):
    """The first `book` of each of these tokens arrived in this epoch: coverage begins."""

    epoch: int
    at_ns: int
    tokens: tuple[TokenId, ...]


class TokensReleased(msgspec.Struct, frozen=True, tag="release", array_like=True):
    """These tokens are no longer listened to in this epoch, which goes on for the others."""

    epoch: int
    until_ns: int
    tokens: tuple[TokenId, ...]
    cause: str


class ListeningProven(msgspec.Struct, frozen=True, tag="mark", array_like=True):
    """Data proves that everything up to these times was received in these epochs.

    Attributes:
        proofs: (epoch, until_ns) pairs.
    """

    proofs: tuple[tuple[int, int], ...]


class ListeningClosed(msgspec.Struct, frozen=True, tag="close", array_like=True):
    """An epoch ended. Coverage ends at `until_ns`; None: at the last proof that was written."""

    epoch: int
    at_ns: int
    until_ns: int | None
    reason: str


class RangeLost(msgspec.Struct, frozen=True, tag="lost", array_like=True):
    """Records `first` to `last` cannot be read, or not by this version; what they hold is unknown.

    Epochs that were open there prove nothing from there on. This record is never appended: the
    reader of the journal creates it, under the sequence `first`.
    """

    first: int
    last: int


Record = (
    FramesSeen
    | FrameSeen
    | ProcessStarted
    | ProcessAlive
    | ProcessStopped
    | TokensWanted
    | TokensUnwanted
    | ListeningOpened
    | TokensConfirmed
    | TokensReleased
    | ListeningProven
    | ListeningClosed
    | RangeLost
)

Fact = (
    ProcessStarted
    | ProcessAlive
    | ProcessStopped
    | TokensWanted
    | TokensUnwanted
    | ListeningOpened
    | TokensConfirmed
    | TokensReleased
    | ListeningProven
    | ListeningClosed
    | RangeLost
)
"""Every record except frames: coverage is computed from these."""

encode: Callable[[Record], bytes] = msgspec.msgpack.Encoder().encode
"""Return the bytes of a record for the journal. Called for every record, so not wrapped."""

_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def decode(body: bytes) -> Record:
    """Return the record in these bytes of the journal.

    Raises:
        msgspec.DecodeError: The bytes are not a record of this version.
    """
    try:
        return _decoder.decode(body)
    except (UnicodeDecodeError, RecursionError) as exc:
        # For some damaged bytes msgspec raises these instead of its own error.
        raise msgspec.DecodeError(str(exc)) from exc


def kind_of(body: bytes) -> str:
    """Return the kind that a record names, known or not; empty when it names none."""
    try:
        kind = msgspec.msgpack.decode(_parts.decode(body)[0])
    except (ValueError, RecursionError, IndexError):
        return ""
    return kind[:_LONGEST_KIND] if isinstance(kind, str) and kind.isprintable() else ""


_parts: msgspec.msgpack.Decoder[list[msgspec.Raw]] = msgspec.msgpack.Decoder(list[msgspec.Raw])
_LONGEST_KIND: Final = 32


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One journal record as read back.

    Attributes:
        at_ns: When it was written, wall clock; 0 when that is not known.
    """

    seq: int
    body: bytes
    at_ns: int = 0


class Hole(msgspec.Struct, frozen=True):
    """Sequences `first` to `last` cannot be read: torn, damaged or missing.

    Attributes:
        bytes_lost: Bytes in their place that are not records.
        skipped: They were skipped on purpose after a loss of power, so that none is used
            twice; nothing in them was ever durable.
    """

    first: int
    last: int
    bytes_lost: int
    skipped: bool = False
