"""The HTTP sources as the catalog and the resolution actor see them.

`app/factory.py` hands in `polymarket/client.py`; tests hand in fakes. A call takes 20 s
at most. Every call raises `SourceUnavailable` when there is no usable answer, and
`PayloadRejected` when the answer has another shape. Who is given a source closes it.
"""

from collections.abc import Sequence
from typing import Protocol

from actors.model.trade import ConditionId
from actors.polymarket.outcomes import ChainFacts
from actors.polymarket.pagination import Params, Route

MAX_GAMMA_IDS = 100
"""Condition ids in one request to Gamma."""
MAX_GAMMA_MARKETS = MAX_GAMMA_IDS // 2
"""Markets in one request to Gamma: some are asked for in two spellings."""
MAX_DATA_IDS = 20
"""Condition ids in one request to the Data API: the most that it documents."""
MAX_CHAIN_CONDITIONS = 20
"""Conditions in one batch of calls to a node: 80 calls; our choice, nodes document no limit."""


class Page(Protocol):
    """One page of a listing."""

    @property
    def markets(self) -> tuple[bytes, ...]:
        """Return the markets, each as its own JSON."""

    @property
    def next_cursor(self) -> str | None:
        """Return where the next page begins, as the server says; None when it says nothing."""


class Closable(Protocol):
    """Something that holds connections to a server."""

    def close(self) -> None:
        """Close the idle connections."""


class Gamma(Closable, Protocol):
    """The listings of Gamma."""

    @property
    def clock_offset_s(self) -> float:
        """Return the clock of the servers minus ours in seconds; 0 while it is not known."""

    @property
    def age_s(self) -> float:
        """Return how old the last answer was when it arrived, as caches tell, in seconds."""

    def take_clock_errors(self) -> int:
        """Return how many answers since the last call showed that our clock is wrong."""

    def take_old_answers(self) -> int:
        """Return how many answers since the last call came out of a cache, a second old or more."""

    def markets_page(
        self, params: Params, cursor: str | None, *, route: Route = Route.KEYSET
    ) -> Page:
        """Return one page of at most 100 markets."""

    def markets_by_condition(
        self, ids: Sequence[ConditionId], *, closed: bool
    ) -> tuple[bytes, ...]:
        """Return those of at most 100 markets that are listed as closed, or as open."""

    def try_list_form(self) -> None:
        """Ask for one market in the list form, to see whether it still answers."""


class Sources(Gamma, Protocol):
    """Gamma, CLOB and Data API."""

    def clob_market(self, condition_id: ConditionId) -> bytes | None:
        """Return a market of the CLOB, or None when the CLOB does not know it."""

    def resolutions(self, ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        """Return the rows of the Data API about at most 20 markets."""


class Chain(Closable, Protocol):
    """The CTF contract."""

    def payouts(self, condition_ids: Sequence[ConditionId]) -> tuple[ChainFacts, ...]:
        """Return the facts about each of at most 20 conditions, in their order."""
