"""The requests to Gamma that the catalog makes."""

from enum import StrEnum

import msgspec

from actors.model.trade import ConditionId
from actors.polymarket.pagination import Pagination


class Kind(StrEnum):
    """A kind of request to Gamma."""

    LOOKUP = "lookup"
    NEWEST = "newest"
    CREATED = "created"
    CLOSED = "closed"
    SWEEP = "sweep"
    LIST_FORM = "list_form"


class Lookup(msgspec.Struct, frozen=True):
    """A request for these markets by id, among the closed or the open ones.

    Attributes:
        late: They were chosen when their planned end was over: have they closed?
    """

    ids: tuple[ConditionId, ...]
    closed: bool
    late: bool = False

    @property
    def kind(self) -> Kind:
        """Return the kind of this request."""
        return Kind.CLOSED if self.closed else Kind.LOOKUP


class NextPage(msgspec.Struct, frozen=True):
    """A request for the next page of a listing: of a sweep, or of a poll for new markets."""

    listing: Pagination
    kind: Kind

    @property
    def sweep(self) -> bool:
        """Return whether the listing is part of a sweep."""
        return self.kind is Kind.SWEEP


class ListFormTry(msgspec.Struct, frozen=True):
    """A request that only finds out whether the list form answers."""

    kind: Kind = Kind.LIST_FORM


Request = Lookup | NextPage | ListFormTry


def narrows(request: Request) -> bool:
    """Return whether the one market that makes this request fail is looked for."""
    if isinstance(request, NextPage):
        return request.listing.narrowing
    return isinstance(request, Lookup) and len(request.ids) > 1


def proves(request: Request) -> bool:
    """Return whether it is asked next whether the server answers at all."""
    return isinstance(request, NextPage) and request.listing.proving
