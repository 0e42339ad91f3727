"""What a journal record says, and how it is written down.

The journal (`journal/journal.py`) carries numbered byte strings; this room gives
them their meaning. Every fact that must survive a kill is one of these. All
times are wall-clock nanoseconds since 1970 (UTC).

Frames are kept as received, with the occurrence numbers that were given to their
trades: a replay decodes it again and never numbers again.

An *epoch* is one life of one connection. Its number is the journal sequence of
its `ListeningOpened` record, so it is unique in the journal and only grows.
"""

import msgspec

from actors.model.trade import TokenId


class FramesSeen(msgspec.Struct, frozen=True, tag="frames", array_like=True, gc=False):
    """Frames that arrived together, with trades or rejections in them, verbatim.

    `occurrences` has one number for each trade that `feed.decode` finds in `raws`, in
    order; 0 marks a trade that another connection records (a canary token). `hashes` has
    the `trade_hash` of each of the others, as the process that journalled it reckons.
    """

    epoch: int
    connection: str
    received_at_ns: int
    occurrences: tuple[int, ...]
    raws: tuple[bytes, ...]
    hashes: tuple[int, ...] = ()


class FrameSeen(msgspec.Struct, frozen=True, tag="frame", array_like=True, gc=False):
    """One frame, as journals kept it that were written before `FramesSeen`."""

    epoch: int
    connection: str
    received_at_ns: int
    occurrences: tuple[int, ...]
    raw: bytes
    hashes: tuple[int, ...] = ()

    @property
    def as_frames(self) -> FramesSeen:
        """Return the same, as it is written now."""
        return FramesSeen(
            epoch=self.epoch,
            connection=self.connection,
            received_at_ns=self.received_at_ns,
            occurrences=self.occurrences,
            raws=(self.raw,),
            hashes=self.hashes,
        )


class ProcessStarted(msgspec.Struct, frozen=True, tag="start", array_like=True):
    """A tracker took the journal: every epoch still open below this record has died."""

    at_ns: int
    host: str
    version: str


class ProcessAlive(msgspec.Struct, frozen=True, tag="alive", array_like=True):
    """The tracker was alive and watching its connections at this time."""

    at_ns: int


class ProcessStopped(msgspec.Struct, frozen=True, tag="stop", array_like=True):
    """The tracker stopped in good order."""

    at_ns: int


class TokensWanted(msgspec.Struct, frozen=True, tag="want", array_like=True):
    """From this time on these tokens are to be listened to."""

    at_ns: int
    tokens: tuple[TokenId, ...]


class TokensUnwanted(msgspec.Struct, frozen=True, tag="unwant", array_like=True):
    """From this time on these tokens are no longer of interest (resolved, filtered out)."""

    at_ns: int
    tokens: tuple[TokenId, ...]


class ListeningOpened(msgspec.Struct, frozen=True, tag="open", array_like=True):
    """A connection shook hands. The sequence of this record is the epoch."""

    at_ns: int
    connection: str
    feed: int


class TokensConfirmed(msgspec.Struct, frozen=True, tag="confirm", array_like=True):
    """The first `book` of each of these tokens arrived on this epoch: coverage begins."""

    epoch: int
    at_ns: int
    tokens: tuple[TokenId, ...]


class TokensReleased(msgspec.Struct, frozen=True, tag="release", array_like=True):
    """These tokens are no longer listened to on this epoch, which goes on for the others."""

    epoch: int
    until_ns: int
    tokens: tuple[TokenId, ...]
    cause: str


class ListeningProven(msgspec.Struct, frozen=True, tag="mark", array_like=True):
    """Data proves that everything until this time was heard on these epochs.

    `marks` holds (epoch, until_ns) pairs.
    """

    marks: tuple[tuple[int, int], ...]


class ListeningClosed(msgspec.Struct, frozen=True, tag="close", array_like=True):
    """An epoch ended. Coverage ends at `until_ns`; None: at the last mark that was written."""

    epoch: int
    at_ns: int
    until_ns: int | None
    reason: str


class RangeLost(msgspec.Struct, frozen=True, tag="lost", array_like=True):
    """Records `first` to `last` cannot be read any more: what they told is not known.

    Epochs that were open then prove nothing from there on. It is never appended:
    whoever reads the journal makes it, under the sequence `first`.
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
"""Every record but frames: what coverage is made of."""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return the bytes of a record for the journal (MessagePack, tagged)."""
    return _encoder.encode(record)


def decode(body: bytes) -> Record:
    """Return the record that these journal bytes hold.

    Raises:
        msgspec.DecodeError: The bytes are not a record of this version.
    """
    try:
        return _decoder.decode(body)
    except (UnicodeDecodeError, RecursionError) as exc:
        raise msgspec.DecodeError(str(exc)) from exc


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One journal record as read back."""

    seq: int
    body: bytes


class Hole(msgspec.Struct, frozen=True):
    """Sequences `first` to `last` cannot be read: a torn, damaged or missing stretch.

    `skipped`: they were passed over on purpose after a power loss, so that none
    is used twice; nothing that was ever durable stood there.
    """

    first: int
    last: int
    bytes_lost: int
    skipped: bool = False
