"""The display: the board on a terminal, once or again and again without flicker."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from actors.cli.board import render
from actors.health.plaintext import clean


class Display:
    """Draws on a console; without one named, on standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    @property
    def is_terminal(self) -> bool:
        """Tell whether a person looks at it."""
        return self._console.is_terminal

    def show(self, document: dict[str, Any]) -> None:
        """Write the board.

        Raises:
            PayloadRefused: It is the document of a tracker of another version.
        """
        self._console.print(render(document))

    def watch(
        self,
        look: Callable[[Callable[[dict[str, Any]], None]], str],
        wait: Callable[[], None],
    ) -> None:
        """Draw again and again, until Ctrl-C.

        Args:
            look: Gets the document and hands it on; gives what went wrong, if anything did.
            wait: Lets time pass between two looks.
        """
        with Live(console=self._console, auto_refresh=False, screen=True) as live:
            while True:
                wrong = look(lambda document: live.update(render(document), refresh=True))
                if wrong:
                    live.update(Text(clean(wrong), style="bold red"), refresh=True)
                wait()
