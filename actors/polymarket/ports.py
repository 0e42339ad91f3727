"""The HTTP sources as the catalogue and resolution see them; `app.py` hands in the edges that fit.

A call takes 20 s at most. All of them raise SourceUnavailable when there is no
usable answer, and PayloadRejected when the answer has another shape.
"""

from collections.abc import Sequence
from typing import Protocol

from actors.model.trade import ConditionId
from actors.polymarket.pagination import Params


class Page(Protocol):
    """One page of a listing: each market as its own JSON, and the cursor behind it."""

    @property
    def markets(self) -> tuple[bytes, ...]:
        """The markets."""

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins, or None behind the last."""


class Gamma(Protocol):
    """The listings of Gamma."""

    def markets_page(self, params: Params, cursor: str | None) -> Page:
        """Return one page of at most 100 markets."""

    def markets_by_condition(
        self, ids: Sequence[ConditionId], *, closed: bool
    ) -> tuple[bytes, ...]:
        """Return those of at most 100 markets that are there and closed, or open."""


class Sources(Gamma, Protocol):
    """Gamma, CLOB and Data API."""

    def clob_market(self, condition_id: ConditionId) -> bytes | None:
        """Return a market of the CLOB, or None when it knows none."""

    def resolutions(self, ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        """Return the rows of the Data API about at most 20 markets."""


class Chain(Protocol):
    """The CTF contract."""

    def payouts(self, condition_ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        """Return what it says of each of at most 20 conditions, in their order."""
