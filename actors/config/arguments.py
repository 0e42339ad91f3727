"""The command lines of our programs: what argparse lets pass and we do not.

Light to import: `tracker-status` needs it at once.
"""

import argparse
import re
from collections.abc import Sequence
from typing import Any


def plain(message: str) -> str:
    """Return an error of argparse in plain words, where its own are none."""
    return re.sub(r"^argument (.*?): ignored explicit argument .*", r"\1 takes no value", message,
                  flags=re.DOTALL)  # fmt: skip


class OnceParser(argparse.ArgumentParser):
    """A parser for which an option that takes a value may be given once.

    argparse takes the last of several and drops the others without a word.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.given: set[str] = set()
        for name in (None, "store"):
            self.register("action", name, _Once)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse one command line, as argparse does."""
        self.given.clear()
        return super().parse_known_args(args, namespace)


class _Once(argparse.Action):
    """Stores what an option is given, once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        if isinstance(parser, OnceParser):
            if self.dest in parser.given:
                parser.error(f"{option_string}: given twice, and it takes one value")
            parser.given.add(self.dest)
        vars(namespace)[self.dest] = values
