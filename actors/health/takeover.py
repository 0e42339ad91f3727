"""Whether one tracker covers all that another covers; then the other may be stopped without a gap.

Both are asked `{"get": "coverage"}` (`status_socket.py`): each connection's proof, and since when
it covers each token. A token is taken over when here a connection covers it that began before the
other's proof, and whose own proof has reached that. Then the coverage of both, united, has no gap
between them: the other covered the token until its proof, and this one from before it on.

A proof of the other that this one has to reach is kept from one look to the next: the proofs of
both move on, and a quiet connection may have none of the last minute.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from actors.errors import PayloadRejected

DIGEST_BYTES = 8
"""A token in the answer; of 440,000 tokens two are alike once in 200 million times."""
NO_TOKENS = "lifecycle"
"""The connection that receives announcements of new markets."""
UNKNOWN_DATABASE = "unknown"
"""What a tracker says whose role may not ask which server its database is on."""
_NAMED = 3

Token = bytes
"""The digest of a token."""


class OlderVersion(PayloadRejected):
    """This tracker is of a version that cannot say what it covers."""


class Span(NamedTuple):
    """What one connection covers of a token, wall-clock nanoseconds; `proven` may lie before."""

    since: int
    proven: int


class Listing(NamedTuple):
    """What one tracker covers at one moment.

    Attributes:
        journal: Names the tracker.
        database: Names its database; empty while it has not reached it, or UNKNOWN_DATABASE.
        unanswered: Connections whose coverage is not known now.
        spans: (connection, token, span).
        connections: All that answered.
    """

    journal: str
    database: str
    unanswered: int
    connections: frozenset[str]
    spans: tuple[tuple[str, Token, Span], ...]


class Progress(NamedTuple):
    """How far one tracker has taken over from another, in tokens.

    Attributes:
        total: What the other covers.
        absent: Not covered here.
        late: Covered here, but not yet since before the other's proof.
        unproven: Covered here since before it, and not proven up to it yet.
        where: The other's connections that have most of these three, with their number.
        unanswered: The other's connections that did not say what they cover.
        announcements: New markets would be announced to this one, too.
    """

    total: int
    absent: int
    late: int
    unproven: int
    where: tuple[tuple[str, int], ...]
    unanswered: int
    announcements: bool

    @property
    def left(self) -> int:
        """Return how many tokens are not taken over."""
        return self.absent + self.late + self.unproven

    @property
    def done(self) -> bool:
        """Return whether the other may be stopped. Of one that covers nothing none is known."""
        return self.total > 0 and not (self.left or self.unanswered) and self.announcements

    def __str__(self) -> str:
        if self.unanswered:
            return f"{self.unanswered:,} connections of the other do not answer"
        if not self.total:
            return "the other covers no token"
        if not self.left and not self.announcements:
            return "the connection for announcements of new markets is not open here"
        parts = (
            (self.absent, "not covered here"),
            (self.late, "covered here only since after its proof"),
            (self.unproven, "not proven here up to its proof"),
        )
        kinds = ", ".join(f"{count:,} {what}" for count, what in parts if count)
        where = ", ".join(f"{name} ({count:,})" for name, count in self.where)
        return f"{self.left:,} of its {self.total:,} tokens are not taken over: {kinds}; on {where}"


def read(answer: bytes) -> Listing:
    """Return what an answer to `{"get": "coverage"}` says.

    Raises:
        PayloadRejected: It says something else, such as an error; the text is that.
        OlderVersion: The tracker does not know the question, or does not name its database.
    """
    try:
        said = json.loads(answer)
        if "error" in said:
            raise _rejection(str(said["error"]))
        if "journal" in said and "database" not in said:
            raise OlderVersion
        return Listing(
            journal=str(said["journal"]),
            database=str(said["database"]),
            unanswered=len(said["unanswered"]),
            connections=frozenset(str(one["connection"]) for one in said["connections"]),
            spans=tuple(_spans(said["connections"])),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        raise PayloadRejected("the answer does not say what is covered") from exc


def _rejection(error: str) -> PayloadRejected:
    return OlderVersion() if error.startswith("unknown request") else PayloadRejected(error)


def _spans(connections: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Token, Span]]:
    for one in connections:
        name, proven = str(one["connection"]), int(one["proven_until_ns"])
        for since, packed in one["tokens"]:
            digests = base64.b64decode(packed, validate=True)
            span = Span(int(since), proven)
            for start in range(0, len(digests), DIGEST_BYTES):
                yield name, digests[start : start + DIGEST_BYTES], span


class Takeover:
    """Follows how one tracker takes over from another, look by look."""

    def __init__(self) -> None:
        # The proof of the other that is to be reached here, token by token.
        self._targets: dict[Token, int] = {}

    def look(self, other: Listing, here: Listing) -> Progress:
        """Return how far it is. `other` was asked before `here`."""
        proofs: dict[Token, tuple[int, str]] = {}
        for name, token, span in other.spans:
            # Before its proof has reached its beginning, no time is covered.
            if span.since <= span.proven and span.proven > proofs.get(token, (0, ""))[0]:
                proofs[token] = (span.proven, name)
        spans: dict[Token, list[Span]] = {}
        for _, token, span in here.spans:
            spans.setdefault(token, []).append(span)
        targets, self._targets = self._targets, {}
        absent = late = unproven = 0
        where: Counter[str] = Counter()
        for token, (proof, name) in proofs.items():
            ours = spans.get(token, ())
            target = self._target(ours, targets.get(token), proof)
            if target is None:
                absent, late = absent + (not ours), late + bool(ours)
            else:
                self._targets[token] = target
                if any(span.since <= target <= span.proven for span in ours):
                    continue
                unproven += 1
            where[name] += 1
        return Progress(
            total=len(proofs),
            absent=absent,
            late=late,
            unproven=unproven,
            where=tuple(where.most_common(_NAMED)),
            unanswered=other.unanswered,
            announcements=NO_TOKENS not in other.connections or NO_TOKENS in here.connections,
        )

    @staticmethod
    def _target(ours: Sequence[Span], before: int | None, proof: int) -> int | None:
        """Return the proof to reach: that of before as long as we began before it."""
        for target in (before, proof):
            if target is not None and any(span.since <= target for span in ours):
                return target
        return None
