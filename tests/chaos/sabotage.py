"""The tracker with one method of it broken on request: a test build without another build.

    sabotage.py FILE TARGET ACTION

`TARGET` is `module:Class.method`, or `clock`. Once FILE exists,
`raise` lets the method raise as many times as FILE says, `skip` lets it do nothing so often,
`hang` never lets it return; the clock is off by as many seconds as FILE says. The code of the
tracker is unchanged.
"""

import importlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

Method = Callable[..., Any]


class Fuse:
    """How often the method still has to break. For any thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._used = 0
        self._lock = threading.Lock()

    @property
    def value(self) -> float:
        """Return the number in the file, 0 while there is none."""
        try:
            return float(self._file.read_text() or 0)
        except (OSError, ValueError):
            return 0.0

    def burns(self) -> bool:
        """Return whether the method has to break now; counts as one time."""
        with self._lock:
            if self._used >= self.value:
                return False
            self._used += 1
            return True


def break_method(target: str, action: str, fuse: Fuse) -> None:
    """Replace a method by one that breaks as often as the fuse says."""
    place, _, name = target.partition(":")
    kind, method = name.split(".")
    owner = getattr(importlib.import_module(place), kind)
    whole: Method = getattr(owner, method)

    def broken(*given: Any, **named: Any) -> Any:
        if fuse.burns():
            if action == "hang":
                threading.Event().wait()
            if action == "skip":
                return None
            raise ZeroDivisionError("a bug of ours")
        return whole(*given, **named)

    setattr(owner, method, broken)


def shift_clock(fuse: Fuse) -> None:
    """Let the wall clock of this process be off; monotonic clocks stay as they are."""
    seconds, nanoseconds = time.time, time.time_ns
    offset = [0.0]

    def look() -> None:
        while True:
            offset[0] = fuse.value
            threading.Event().wait(0.05)

    threading.Thread(target=look, name="clock", daemon=True).start()
    time.time = lambda: seconds() + offset[0]
    time.time_ns = lambda: nanoseconds() + int(offset[0] * 1e9)


def main() -> int:
    """Break the target, then run the tracker."""
    file, target, action = sys.argv[1:4]
    fuse = Fuse(Path(file))
    if target == "clock":
        shift_clock(fuse)
    else:
        break_method(target, action, fuse)
    command = importlib.import_module("actors.cli.main")
    return int(command.main(sys.argv[4:]))


if __name__ == "__main__":
    sys.exit(main())
