"""Faults: their grammar, and which of the lasting ones are in force.

`AT:KIND[:VALUE[:VALUE]]`, AT in seconds from the start. See FAULTS for the
meaning and the default of each value, and docs/simulator.md for the words.
"""

from dataclasses import dataclass

FAULTS: dict[str, tuple[float, ...]] = {
    # on connections: first value = how many are hit
    "drop": (1,),
    "freeze": (1, 0),
    "deaf": (1,),
    "garbage": (1,),
    "half_frame": (1,),
    "oversize": (1, 64),
    "bad_frame": (1,),
    "close": (1011, 1),
    # on everything, for a time in seconds
    "freeze_all": (10,),
    "no_books": (10,),
    "refuse_ws": (10, 429),
    "slow_http": (10, 5),
    "http_429": (10, 2),
    "http_500": (10,),
    "http_html": (10,),
    "lie_gamma": (10,),
    "lie_clob": (10,),
    "lie_data": (10,),
    "lie_chain": (10,),
}
LASTING = (
    "freeze_all",
    "no_books",
    "refuse_ws",
    "slow_http",
    "http_429",
    "http_500",
    "http_html",
    "lie_gamma",
    "lie_clob",
    "lie_data",
    "lie_chain",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `at` is in seconds from the start; `values` are filled up with the defaults."""

    at: float
    kind: str
    values: tuple[float, ...]


def parse_fault(text: str, *, at: float | None = None) -> Fault:
    """Read a fault.

    Args:
        text: `AT:KIND[:VALUE…]`, or without AT when `at` is given.
        at: When it happens, for faults that come by request.

    Raises:
        ValueError: With a line for people.
    """
    parts = text.split(":")
    if at is None:
        at = _number(parts.pop(0), text)
    kind = parts[0] if parts else ""
    if kind not in FAULTS:
        raise ValueError(f"unknown fault {kind!r} in {text!r}; known: {', '.join(FAULTS)}")
    given = tuple(_number(part, text) for part in parts[1:])
    defaults = FAULTS[kind]
    if len(given) > len(defaults):
        raise ValueError(f"too many values in {text!r}: {kind} takes {len(defaults)}")
    return Fault(at=at, kind=kind, values=given + defaults[len(given) :])


def _number(text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} in fault {whole!r} is not a number") from None
    if not 0 <= number < 1e9:
        raise ValueError(f"{text!r} in fault {whole!r} is out of range")
    return number


class Weather:
    """The lasting faults in force; time is passed in, monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, float]] = {}

    def begin(self, fault: Fault, now: float) -> None:
        """Put a lasting fault in force, or make it longer."""
        value = fault.values[1] if len(fault.values) > 1 else 0.0
        self._until[fault.kind] = (now + fault.values[0], value)

    def rages(self, kind: str, now: float) -> float | None:
        """Give the second value of a fault in force (0 when it has none), else None."""
        until, value = self._until.get(kind, (0.0, 0.0))
        return value if now < until else None
