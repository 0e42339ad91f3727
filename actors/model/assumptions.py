"""What the tracker assumes about Polymarket: one name for each assumption.

The names are stable: the metric `tracker_assumption_violations_total` and the status carry them.
docs/explanation/polymarket.md says of each how sure it is and what happens when it is false.
"""

from collections import Counter
from enum import StrEnum


class Assumption(StrEnum):
    """An assumption that can be seen to be false while the tracker runs."""

    GAMMA_LIST = "gamma_list"
    """Gamma answers the list form `/markets`."""
    KEYSET = "keyset"
    """Gamma answers `/markets/keyset`, follows its cursor and orders as asked."""
    LISTED = "listed"
    """Gamma lists every market that trades."""
    CLEAN_PAGES = "clean_pages"
    """A page of Gamma is JSON in which every field has its usual type."""
    FRESH_ANSWERS = "fresh_answers"
    """An HTTP answer is made when it is asked for, not taken from a cache."""
    REPEATED_BOOK = "repeated_book"
    """A token that is subscribed again is answered with its book."""
    DUMP_BY_DEFAULT = "dump_by_default"
    """A subscription is answered with a book without asking for it."""
    EMPTY_FIRST = "empty_first"
    """A first subscription without tokens is accepted."""
    TOKENS_PER_CONNECTION = "tokens_per_connection"
    """A connection may have as many tokens as it is given."""
    SENT_ONCE = "sent_once"
    """A trade is sent once to each connection, everywhere with the same time."""
    ON_TIME = "on_time"
    """A trade arrives within a second of its time."""
    SPELLING = "spelling"
    """The fields of a trade are spelled as today: texts, upper case, milliseconds."""
    EVENT_NAMES = "event_names"
    """Events have the names that they have today."""
    MESSAGE_SIZE = "message_size"
    """A message is no larger than TRACKER_MAX_MESSAGE_BYTES, nor than a record of the journal."""
    SERVED = "served"
    """A connection that is accepted is served."""
    OLD_SOCKETS_DIE = "old_sockets_die"
    """After a restart of the exchange connections from before are closed."""
    CLOCK = "clock"
    """The clock of this machine is right."""


Violations = tuple[tuple[Assumption, int], ...]
"""(assumption, how often it was seen to be false since the child began), as reports carry it."""


class ViolationCounter:
    """Counts how often each assumption was seen to be false. In the thread of its actor."""

    def __init__(self) -> None:
        self._counts: Counter[Assumption] = Counter()

    def add(self, assumption: Assumption, count: int = 1) -> None:
        """Count that an assumption was seen to be false; 0 counts nothing."""
        if count:
            self._counts[assumption] += count

    def totals(self) -> Violations:
        """Return the counts so far, for a report."""
        return tuple(sorted(self._counts.items()))
