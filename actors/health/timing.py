"""How long things take: the part `timing` of the status document, and what it is added up from.

Commits and the age of trades come with each commit, the syncs of the journal and the requests to
sources as counts of the whole process.
"""

from collections.abc import Mapping, Sequence

import msgspec

from actors.messages import BatchWritten
from actors.model.histogram import (
    COMMIT_S,
    END_TO_END_S,
    REQUEST_S,
    SYNC_S,
    Histogram,
    Stopwatch,
)

MORE = "more"
"""The name of the count of what is above all bounds."""


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How often something took how long, since the start.

    Attributes:
        counts: By seconds: up to so many and more than the number before; `more` took longer
            than all of them.
        sum_s: All of it together.
    """

    counts: dict[str, int]
    sum_s: float


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long things take, since the start.

    Attributes:
        commits: Transactions of the writer.
        syncs: Syncs of the journal to the disk.
        end_to_end: From the time of a trade at the exchange to the commit of its row; of the
            copies of one trade the first counts.
        requests: HTTP requests by the source that was asked, answered or not.
    """

    commits: Times
    syncs: Times
    end_to_end: Times
    requests: dict[str, Times]


def names(bounds: Sequence[float]) -> tuple[str, ...]:
    """Return the names of the counts between these bounds, as the document has them."""
    return (*(f"{bound:g}" for bound in bounds), MORE)


def times(bounds: Sequence[float], found: Histogram) -> Times:
    """Return counts as the document has them."""
    counts = found.counts or (0,) * (len(bounds) + 1)
    return Times(counts=dict(zip(names(bounds), counts, strict=True)), sum_s=round(found.sum_s, 6))


class TimingHealth:
    """Adds up how long things took; owned by `HealthState`."""

    def __init__(self) -> None:
        self._commits = Stopwatch(COMMIT_S)
        self._ages = Histogram()
        self._syncs = Histogram()
        self._requests: Mapping[str, Histogram] = {}

    def committed(self, batch: BatchWritten) -> None:
        """Count a transaction and the age of its trades."""
        self._commits.add(batch.took_s)
        self._ages += batch.ages

    def synced(self, syncs: Histogram) -> None:
        """Take how long all syncs of the journal took."""
        self._syncs = syncs

    def requested(self, requests: Mapping[str, Histogram]) -> None:
        """Take how long all requests took, by source."""
        self._requests = requests

    def part(self) -> Timing:
        """Return its part of the document."""
        return Timing(
            commits=times(COMMIT_S, self._commits.histogram),
            syncs=times(SYNC_S, self._syncs),
            end_to_end=times(END_TO_END_S, self._ages),
            requests={name: times(REQUEST_S, one) for name, one in self._requests.items()},
        )
