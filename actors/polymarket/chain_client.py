"""The chain over JSON-RPC: batches of questions to the first node that answers all of them."""

import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

from actors.errors import PayloadRefused, SourceUnavailable
from actors.model.trade import ConditionId
from actors.polymarket import chain
from actors.polymarket.http import DEADLINE_S, Http

MAX_IDS = 20


class Chain:
    """Nodes of Polygon, in the order in which they are asked. Any thread may call.

    Args:
        urls: May carry access keys, so no error names more than their hosts.
        user_agent: As of `Http`.
        deadline_s: For each node.
        stop: When set, calls under way are cut.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        user_agent: str,
        deadline_s: float = DEADLINE_S,
        stop: threading.Event | None = None,
    ) -> None:
        self._urls = tuple(urls)
        self._http = Http(user_agent, deadline_s=deadline_s, stop=stop)

    def payouts(self, condition_ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        """Give the facts about each of at most 20 conditions, in their order.

        They are for `logic.chain.observe`. All of one call come from one node.

        Raises:
            SourceUnavailable: No node answers every question.
        """
        if len(condition_ids) > MAX_IDS:
            raise ValueError(f"{len(condition_ids)} ids where {MAX_IDS} are allowed")
        if not condition_ids:
            return ()
        body = chain.batch(condition_ids)
        failures = []
        retry_after_s = None
        for url in self._urls:
            try:
                return chain.facts(self._http.post(url, body), len(condition_ids))
            except PayloadRefused as exc:
                failures.append(f"{urlsplit(url).hostname}: {exc}")
            except SourceUnavailable as exc:
                failures.append(str(exc))
                retry_after_s = exc.retry_after_s
        raise SourceUnavailable(
            "; ".join(failures) or "no node is configured", retry_after_s=retry_after_s
        )

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()
