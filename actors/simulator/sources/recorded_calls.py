"""HTTP calls that were recorded in a look at the exchange, and the answers to them now."""

import re
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from math import floor
from urllib.parse import parse_qsl, urlsplit

from actors.simulator import recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """What to answer; without a status the connection is cut."""

    status: int | None
    headers: dict[str, str]
    body: bytes


_OTHERS = frozenset({"age", "cache-control", "cf-cache-status", "x-cache", "retry-after"})
"""Headers that are served as they were."""
_OF_ONE_MARKET = re.compile(r"^(/markets/|/clob-markets/).+")
_Asked = tuple[str, str, str, tuple[tuple[str, str], ...], bytes]


class RecordedCalls:
    """HTTP calls that were recorded (`recorded.py`), and their answers.

    Args:
        calls: In their order.
    """

    def __init__(self, calls: Iterable[recorded.Http]) -> None:
        self._calls: defaultdict[_Asked, deque[recorded.Http]] = defaultdict(deque)
        self._routes: defaultdict[tuple[str, str, str, bool], list[recorded.Http]] = defaultdict(
            list
        )
        for call in calls:
            asked = _asked(
                call.side, call.method, call.target, recorded.as_bytes(call.sent, call.sent_base64)
            )
            self._calls[asked].append(call)
            self._routes[_route(asked)].append(call)

    def answer(
        self, side: str, method: str, target: str, sent: bytes, now_s: float
    ) -> RecordedAnswer | None:
        """Return the recorded answer, or None for a question whose answer is not known.

        Args:
            side: Name of the source.
            method: Of HTTP.
            target: Path and query behind the address of the source.
            sent: The body of the request.
            now_s: Seconds since 1970.
        """
        asked = _asked(side, method, target, sent)
        known = self._calls.get(asked)
        if known:
            # In turn, and then from the first again: another look asks the same.
            call = known[0]
            known.rotate(-1)
            return _as_now(call, now_s)
        alike = self._routes.get(_route(asked), [])
        if alike and all(call.status != 200 for call in alike):
            return _as_now(alike[-1], now_s)
        return None


def _asked(side: str, method: str, target: str, sent: bytes) -> _Asked:
    parts = urlsplit(target)
    query = tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    return side, method, parts.path, query, sent


def _route(asked: _Asked) -> tuple[str, str, str, bool]:
    """Return what a question is one of: a route, with or without an order."""
    side, method, path, query, _ = asked
    if side == "clob":
        path = _OF_ONE_MARKET.sub(r"\1*", path)
    return side, method, path, "order" in dict(query)


def _as_now(call: recorded.Http, now_s: float) -> RecordedAnswer:
    lost = call.status == 200 and bool(call.error)  # the rest of its body is not there
    headers = {name: text for name, text in call.headers.items() if name in _OTHERS}
    headers["content-type"] = call.headers.get("content-type", "application/json")
    made_s = _date_s(call.headers.get("date", ""))
    if made_s is not None:
        # A `Date` has whole seconds: it was made in the second that it names, and so is this one.
        received_s = call.at + call.seconds
        ahead_s = made_s - received_s if made_s > received_s else min(0.0, made_s + 1 - call.at)
        headers["date"] = formatdate(floor(now_s + ahead_s), usegmt=True)
    return RecordedAnswer(status=None if lost else call.status, headers=headers, body=call.answer)


def _date_s(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
