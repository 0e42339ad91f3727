"""Draws the status on a terminal: once, or again and again."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from actors.cli.status_table import render
from actors.cli.watch_screen import WatchScreen
from actors.model.conversion import terminal_safe
from actors.process import output

UNBROKEN, SENTENCES = 10_000, 2
"""Columns in which each sentence fits, and how many parts of the table consist of sentences."""


class Display:
    """Draws the table on a console: standard output unless another is given."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._usual_width = self._console.width

    @property
    def is_terminal(self) -> bool:
        """Return whether the console is a terminal."""
        return self._console.is_terminal

    def show(self, document: dict[str, Any]) -> None:
        """Write the table once.

        Raises:
            BrokenPipeError: Nobody reads it any more.
            PayloadRejected: The document is that of a tracker of another version.
        """
        table = render(document)
        if self.is_terminal:
            self._console.print(table)
            return
        # For a file or a program: no sentence is broken, and no line is filled up with blanks.
        with self._console.capture() as captured:
            for number, part in enumerate(table.renderables):
                self._console.width = UNBROKEN if number < SENTENCES else self._usual_width
                self._console.print(part)
        lines = (line.rstrip() for line in captured.get().splitlines())
        if not output.put("".join(f"{line}\n" for line in lines)):
            raise BrokenPipeError

    def watch(
        self,
        look: Callable[[Callable[[dict[str, Any]], None]], str],
        wait: Callable[[], None],
    ) -> None:
        """Draw again and again without flicker, until Ctrl-C; what is worst always has its place.

        Args:
            look: Gets the document and passes it to its argument; returns an error text or "".
            wait: Waits until the next look.
        """
        with Live(console=self._console, auto_refresh=False, screen=True) as live:
            while True:
                error = look(lambda document: live.update(WatchScreen(document), refresh=True))
                if error:
                    live.update(Text(terminal_safe(error), style="bold red"), refresh=True)
                wait()
