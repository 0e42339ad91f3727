"""What an export says while it runs: a bar on a terminal, JSON lines otherwise."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self, TextIO

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

EVERY_S: Final = 10.0
"""Seconds between two lines about the same work."""
_OFTEN: Final = ("rows", "markets")


class JsonLines:
    """Writes a line for each thing that happens; of what goes on, one in a while.

    Args:
        out: Where to.
        monotonic: Returns the time, in seconds.
    """

    def __init__(self, out: TextIO, monotonic: Callable[[], float]) -> None:
        self._out, self._monotonic = out, monotonic
        self._last = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.flush()

    def say(self, what: str, figures: Mapping[str, Any]) -> None:
        """Write what happened."""
        if what in _OFTEN:
            if self._monotonic() - self._last < EVERY_S:
                return
            self._last = self._monotonic()
        self._out.write(msgspec.json.encode({"event": what, **figures}).decode() + "\n")
        self._out.flush()


class Bar:
    """Draws a bar for the days, and one for what is under way.

    Args:
        console: Where to; standard error unless another is given.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        self._days = self._progress.add_task("days", total=None)
        self._work = self._progress.add_task("", total=None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def say(self, what: str, figures: Mapping[str, Any]) -> None:
        """Draw what happened."""
        update = self._progress.update
        match what:
            case "begin":
                update(self._days, total=figures["days"])
            case "rows":
                update(self._work, description=f"trades of {figures['day']}",
                       total=figures["of"], completed=figures["rows"])  # fmt: skip
            case "day":
                self._progress.advance(self._days)
                if figures["written"]:
                    line = f"{figures['day']}  {figures['rows']:>12,} trades  {figures['state']}"
                    reason = f"  revision {figures['revision']}: {figures['reason']}"
                    self._progress.print(line + (reason if figures["revision"] > 1 else ""))
            case "markets":
                update(self._work, description="markets", total=None, completed=figures["markets"])
            case "end":
                open_days = ", ".join(figures["open"])
                self._progress.print(f"{figures['rows']:,} trades of {figures['days']} days")
                if open_days:
                    self._progress.print(f"more trades may come of: {open_days}")
