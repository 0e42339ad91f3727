"""Polymarket's HTTP interfaces: Gamma, CLOB and Data API, each market as its own bytes.

Source: docs.polymarket.com as of 2026-10. What the bytes mean is not known here.
"""

import re
import threading
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

import msgspec

from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.trade import ConditionId
from actors.polymarket import chain, strict_json
from actors.polymarket.http import DEADLINE_S, Http

MAX_IDS_GAMMA = 100
MAX_IDS_DATA = 20
_CONDITION = re.compile(r"0x[0-9a-f]{64}")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of markets; no `next_cursor` on the last one."""

    markets: tuple[bytes, ...]
    next_cursor: str | None


class _Keyset(msgspec.Struct, frozen=True):
    markets: list[msgspec.Raw]
    next_cursor: str | None = None


class _Rows(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]


_keyset = msgspec.json.Decoder(_Keyset)
_rows = msgspec.json.Decoder(_Rows)
_list = msgspec.json.Decoder(list[msgspec.Raw])


class Polymarket:
    """The public read interfaces. Any thread may call.

    All methods raise `SourceUnavailable` when there is no good answer in time,
    and `PayloadRejected` when a 200 does not carry what it should.
    """

    def __init__(
        self,
        *,
        gamma_url: str,
        clob_url: str,
        data_url: str,
        user_agent: str,
        deadline_s: float = DEADLINE_S,
        stop: threading.Event | None = None,
    ) -> None:
        self._gamma_url = gamma_url.rstrip("/")
        self._clob_url = clob_url.rstrip("/")
        self._data_url = data_url.rstrip("/")
        self._http = Http(user_agent, deadline_s=deadline_s, stop=stop)

    def markets_page(self, params: Sequence[tuple[str, str]], cursor: str | None) -> Page:
        """Return one page of Gamma's `/markets/keyset`.

        A cursor that Gamma gives back unchanged would go round in circles: it ends the listing.

        Args:
            params: Filters and order, without the cursor.
            cursor: `next_cursor` of the page before, or None for the first.
        """
        asked = [*params, ("after_cursor", cursor)] if cursor else list(params)
        raw = self._http.get(f"{self._gamma_url}/markets/keyset", asked)
        page = strict_json.read(raw, _keyset)
        following = page.next_cursor or None
        return Page(
            markets=_apart(page.markets),
            next_cursor=None if following == cursor else following,
        )

    def markets_by_condition(
        self, ids: Sequence[ConditionId], *, closed: bool
    ) -> tuple[bytes, ...]:
        """Return Gamma's markets of at most 100 conditions, either the open or the closed ones."""
        _limited(ids, MAX_IDS_GAMMA)
        if not ids:
            return ()
        params = [("condition_ids", str(condition_id)) for condition_id in ids]
        params += [("closed", "true" if closed else "false"), ("limit", str(len(ids)))]
        markets = strict_json.read(self._http.get(f"{self._gamma_url}/markets", params), _list)
        return _apart(markets)

    def clob_market(self, condition_id: ConditionId) -> bytes | None:
        """Return the CLOB's market, or None when it does not know the condition."""
        return self._http.find(f"{self._clob_url}/markets/{quote(condition_id, safe='')}")

    def resolutions(self, ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        """Return the Data API's rows on at most 20 conditions; ids it cannot know are left out."""
        _limited(ids, MAX_IDS_DATA)
        known = [each for each in ids if _CONDITION.fullmatch(each)]
        if not known:
            return ()
        raw = self._http.get(f"{self._data_url}/v2/resolutions", [("condition", ",".join(known))])
        return _apart(strict_json.read(raw, _rows).data)

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()


def _apart(raws: list[msgspec.Raw]) -> tuple[bytes, ...]:
    return tuple(bytes(raw) for raw in raws)


def _limited(condition_ids: Sequence[ConditionId], most: int) -> None:
    if len(condition_ids) > most:
        raise ValueError(f"{len(condition_ids)} ids where {most} are allowed")


# MERGED: The chain over JSON-RPC: batches of questions to the first node that
# answers all of them.


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
        """Return the facts about each of at most 20 conditions, in their order.

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
            except PayloadRejected as exc:
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
