"""The client of the Data API's list of trades."""

from actors.model.trade import ConditionId
from actors.polymarket.http import Http
from actors.polymarket.witness.fills import PageRead, query, read_page


class TradeList:
    """Reads pages of trades. For one thread: how old an answer is belongs to its call.

    Args:
        data_url: The address of the Data API.
        http: Closed with this client.
    """

    def __init__(self, data_url: str, http: Http) -> None:
        self._url = f"{data_url.rstrip('/')}/v2/trades"
        self._http = http

    def page(self, condition_id: ConditionId, cursor: str | None) -> PageRead:
        """Return a page of the trades of a market, the newest first.

        Raises:
            SourceUnavailable: There is no good answer in time.
            PayloadRejected: The answer is no page.
        """
        raw = self._http.get(self._url, query(condition_id, cursor))
        clock = self._http.clock
        return PageRead(read_page(raw, condition_id), clock.take_age_s(), clock.is_wrong)

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()
