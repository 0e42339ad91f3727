"""The last trades and resolutions of what is committed, sent to the supervisor for people to see.

Of each commit only the last few trades are remembered, and once a Tick the few that are left are
sent with the names of their markets, which the database has: so the cost does not grow with the
number of trades.
"""

from collections import deque

from actors.actor import Mailbox
from actors.messages import LatestStored
from actors.model.market import Resolution
from actors.model.storage import MOST_LATEST
from actors.model.trade import Trade
from actors.writer.catchup import Store

MOST_COPIES = 4 * MOST_LATEST
"""So many trades are remembered: each may be there once for each feed."""


class LatestTrades:
    """Remembers the last of what was committed, until it is sent. In the thread of the writer.

    Args:
        store: Knows the names of tokens and the stored resolutions.
        supervisor: Gets the messages.

    Attributes:
        trades, resolved: Committed since the last message, the last few of them; the writer adds
            to them.
    """

    def __init__(self, store: Store, supervisor: Mailbox) -> None:
        self._store = store
        self._supervisor = supervisor
        self.trades: deque[Trade] = deque(maxlen=MOST_COPIES)
        self.resolved: deque[Resolution] = deque(maxlen=MOST_LATEST)

    def send(self) -> None:
        """Send what was committed since the last message, if anything; called on Tick.

        Raises:
            StoreUnavailable: See `Store`; it is sent later.
        """
        if not self.trades and not self.resolved:
            return
        trades = tuple(self.trades)
        tokens = tuple(dict.fromkeys(trade.token_id for trade in trades))
        names, outcomes = self._store.named(
            tokens, tuple([each.condition_id for each in self.resolved])
        )
        self._supervisor.tell(LatestStored(trades=trades, names=names, resolutions=outcomes))
        self.trades.clear()
        self.resolved.clear()
