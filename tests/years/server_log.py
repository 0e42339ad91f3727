"""Durations of statements, read from the log of a server that logs all of them. Pure.

`pg_stat_statements` is not part of every server; its own log is. The parts of one statement (parse,
bind, execute) are logged apart, and are added up here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from actors.database import queries

APPLICATION = "polymarket-tracker"
OPTIONS = (
    "log_min_duration_statement=0",
    "log_parameter_max_length=0",
    "log_line_prefix=%p|%a|",
)
"""Settings of the server: one line for each part of each statement, without its parameters."""
NOT_JUDGED = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
_LINE = re.compile(
    r"(\d+)\|(.*?)\|LOG:  duration: ([\d.]+) ms(?:  (parse|bind|execute|statement)[^:]*: (.*))?",
    re.DOTALL,
)
_PARAMETER = re.compile(r"%\(\w+\)[a-z]|\$\d+")


class Statement(NamedTuple):
    """One statement that was carried out: the name of its file, or how it begins."""

    name: str
    ms: float


def statements(text: str, application: str = APPLICATION) -> Iterator[Statement]:
    """Yield the statements of one application, in the order of their ends."""
    names = known_names()
    begun: dict[str, float] = {}
    for entry in _entries(text.splitlines()):
        found = _LINE.fullmatch(entry)
        if found is None or found[2] != application or found[4] is None:
            continue
        pid, ms = found[1], float(found[3])
        if found[4] in ("parse", "bind"):
            begun[pid] = (begun.get(pid, 0.0) if found[4] == "bind" else 0.0) + ms
            continue
        said = _plain(found[5])
        yield Statement(names.get(said, said[:40]), begun.pop(pid, 0.0) + ms)


def longest(found: Iterable[Statement]) -> Statement:
    """Return the longest statement that is judged."""
    judged = (each for each in found if each.name not in NOT_JUDGED)
    return max(judged, key=lambda each: each.ms, default=Statement("", 0.0))


def by_name(found: Iterable[Statement]) -> dict[str, list[float]]:
    """Return the durations of each statement that is judged."""
    durations: dict[str, list[float]] = {}
    for each in found:
        if each.name not in NOT_JUDGED:
            durations.setdefault(each.name, []).append(each.ms)
    return durations


class Growth(NamedTuple):
    """One statement on a small and on a large database: medians in milliseconds."""

    name: str
    small: float
    large: float
    longest: float

    @property
    def grows(self) -> bool:
        """Return whether it takes clearly longer."""
        return self.large > 2 * self.small and self.large - self.small > LEAST_MS


LEAST_MS = 10.0


def growth(small: Mapping[str, list[float]], large: Mapping[str, list[float]]) -> list[Growth]:
    """Return the statements that were carried out on both, those first that take longest."""
    both = (
        Growth(name, min(small[name]), min(large[name]), max(large[name]))
        for name in small.keys() & large.keys()
    )
    return sorted(both, key=lambda each: -each.large)


def known_names() -> dict[str, str]:
    """Return the name of each query of the project by its plain text."""
    found = ((name, getattr(queries, name)) for name in dir(queries) if name.isupper())
    return {_plain(text.decode()): name.lower() for name, text in found if isinstance(text, bytes)}


def _entries(lines: Iterable[str]) -> Iterator[str]:
    """Yield the entries of a log: what goes on over several lines begins with a tab there."""
    entry: list[str] = []
    for line in lines:
        if not line.startswith("\t") and entry:
            yield "\n".join(entry)
            entry = []
        entry.append(line.removeprefix("\t"))
    if entry:
        yield "\n".join(entry)


def _plain(text: str) -> str:
    """Return a statement without its parameters, and with single spaces."""
    return " ".join(_PARAMETER.sub("?", text).replace("%%", "%").split())
