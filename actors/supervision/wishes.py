"""Journals which tokens are wanted, and again what the database has lost of that.

What is wanted and not covered is a gap, so a wish that is lost would hide one. The database keeps
a wish that is open as it is, so telling one again adds nothing where it has it.
"""

from collections.abc import Iterable, Sequence

from actors.journal.recorder import FactQueue
from actors.messages import UniverseChanged
from actors.model import facts
from actors.model.conversion import milliseconds
from actors.model.market import Market
from actors.model.trade import TokenId


class Wishes:
    """The wishes of one process. Owned by the supervisor.

    Args:
        fact_queue: Takes them, in order; every method raises `JournalFailed` as it does.

    Attributes:
        fact_queue: The same.
    """

    def __init__(self, fact_queue: FactQueue) -> None:
        self.fact_queue = fact_queue
        self._since_ns: int | None = None

    def want(self, tokens: tuple[TokenId, ...], at_ns: int) -> None:
        """Journal that these are wanted since then; of a wish that is open nothing changes."""
        self.fact_queue.add_tokens(facts.TokensWanted, at_ns, tokens)

    def lost_earlier(self, tokens: tuple[TokenId, ...], since_ns: int, now_ns: int) -> None:
        """Journal that these have been wanted since then by earlier processes.

        What this process told of them may be stored by now, or be on its way. Such a wish is ended
        first: it would be kept, and began only with this process.
        """
        self.fact_queue.add_tokens(facts.TokensUnwanted, now_ns, tokens)
        self.want(tokens, since_ns)

    def found(self, message: UniverseChanged, new: Sequence[Market], now_ns: int) -> None:
        """Journal since when new markets could have been watched, or were: that time is a gap."""
        since_ns = dict(message.overlooked)
        self.fact_queue.add_overlooked(
            (since_ns[market.condition_id], market.token_ids)
            for market in new
            if market.condition_id in since_ns
        )
        if message.is_first:
            others = (each for each in new if each.condition_id not in since_ns)
            self._first_found((each for each in others if each.active), now_ns)

    def expect(self, since_ns: int) -> None:
        """Remember that wishes of earlier processes are lost since then.

        What the catalog names before it has read all listings is wanted since then, but not since
        before trading in it began, as far as that is known. Which of it an earlier process wanted
        is just what was lost: rather a gap too many than one too few.
        """
        self._since_ns = since_ns if self._since_ns is None else min(self._since_ns, since_ns)

    def _first_found(self, markets: Iterable[Market], now_ns: int) -> None:
        if self._since_ns is None:
            return
        found: dict[int, list[TokenId]] = {}
        for market in markets:
            began_ns = milliseconds(market.started_at) * 1_000_000 if market.started_at else 0
            at_ns = min(max(self._since_ns, began_ns), now_ns)
            found.setdefault(at_ns, []).extend(market.token_ids)
        for since_ns, tokens in found.items():
            self.want(tuple(tokens), since_ns)
