"""Faults: their grammar, and which of the lasting ones are in force.

`AT:KIND[:VALUE[:VALUE]]`, AT in seconds from the start. FAULTS has the name and the default of
each value, docs/reference/simulator.md what each fault does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FAULTS: dict[str, dict[str, float]] = {
    # on connections chosen at random
    "drop": {"count": 1},
    "close": {"code": 1011, "count": 1},
    "freeze": {"count": 1, "seconds": 0},
    "miss_token": {"count": 1},
    "garbage": {"count": 1},
    "bad_text": {"count": 1},
    "half_frame": {"count": 1},
    "drip": {"count": 1},
    "oversize": {"count": 1, "mebibytes": 64},
    "bad_frame": {"count": 1},
    # on everything, for some seconds
    "freeze_all": {"seconds": 10},
    "no_books": {"seconds": 10},
    "reject_ws": {"seconds": 10, "status": 429},
    "slow_http": {"seconds": 10, "delay": 5},
    "http_429": {"seconds": 10, "retry_after": 2},
    "http_500": {"seconds": 10},
    "flaky_http": {"seconds": 10, "share": 0.2},
    "http_html": {"seconds": 10},
    "http_truncated": {"seconds": 10},
    "http_redirect": {"seconds": 10},
    "http_drip": {"seconds": 10},
    "http_huge": {"seconds": 10, "mebibytes": 100},
    "lie_gamma": {"seconds": 10},
    "lie_clob": {"seconds": 10},
    "lie_data": {"seconds": 10},
    "lie_chain": {"seconds": 10},
}
LASTING = frozenset(kind for kind, values in FAULTS.items() if "count" not in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: `at` in seconds from the start, `values` by name, with the defaults."""

    at: float
    kind: str
    values: dict[str, float]


def parse_fault(text: str) -> Fault:
    """Return the fault that `AT:KIND[:VALUE[:VALUE]]` describes.

    Raises:
        ValueError: The text is wrong; the message is one line for people.
    """
    at, _, rest = text.partition(":")
    return make_fault(rest, at=_number(at, text))


def make_fault(text: str, named: Mapping[str, float] | None = None, *, at: float = 0.0) -> Fault:
    """Return the fault that `KIND[:VALUE[:VALUE]]` and the named values describe.

    Raises:
        ValueError: The text is wrong; the message is one line for people.
    """
    kind, *given = text.split(":")
    if kind not in FAULTS:
        raise ValueError(f"unknown fault {kind!r}; known: {', '.join(FAULTS)}")
    values = dict(FAULTS[kind])
    if len(given) > len(values):
        raise ValueError(f"too many values in {text!r}: {kind} takes {', '.join(values)}")
    values.update(zip(values, (_number(part, text) for part in given), strict=False))
    for name, value in (named or {}).items():
        if name not in values:
            raise ValueError(f"{kind} has no value {name!r}; it takes {', '.join(values)}")
        values[name] = _number(str(value), name)
    return Fault(at=at, kind=kind, values=values)


def _number(text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} in {whole!r} is not a number") from None
    if not 0 <= number < 1e9:
        raise ValueError(f"{text!r} in {whole!r} is out of range")
    return number


class ActiveFaults:
    """The lasting faults in force; `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, float]] = {}

    def start(self, fault: Fault, now: float) -> None:
        """Put a lasting fault in force from now on; 0 seconds end it."""
        seconds, *more = fault.values.values()
        self._until[fault.kind] = (now + seconds, more[0] if more else 0.0)

    def value(self, kind: str, now: float) -> float | None:
        """Return the second value of a fault in force, 0 when it has none; else None."""
        until, value = self._until.get(kind, (0.0, 0.0))
        return value if now < until else None
