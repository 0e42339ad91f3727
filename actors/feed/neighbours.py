"""Neighbours: whom a connection tells what."""

import msgspec

from actors.actor import Mailbox
from actors.feed.ingest import Taken
from actors.messages import NewMarketSeen, ResolutionHint


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """The mailboxes around one connection."""

    supervisor: Mailbox
    writer: Mailbox
    catalog: Mailbox
    resolution: Mailbox

    def hear_of(self, taken: Taken) -> None:
        """Pass on what some frames say about markets."""
        for condition_id in taken.decoded.announced:
            self.catalog.tell(NewMarketSeen(condition_id=condition_id))
        for condition_id in taken.decoded.resolved:
            self.resolution.tell(ResolutionHint(condition_id=condition_id))
