"""SIGTERM and SIGINT, taken where they can do no harm.

Python runs a signal's handler in the middle of whatever the main thread does, so a
handler that sets an Event hangs for ever when the main thread, or an earlier signal's
handler, holds the lock of that Event. Here the handler only leaves a mark
(`SimpleQueue.put` may be entered again, says its documentation) and a thread acts on it.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def told_to_end(act: Callable[[], None]) -> Iterator[None]:
    """While entered, have `act` called once for each SIGTERM or SIGINT, in one thread.

    From the exit on these signals are ignored: Python gives them back to the kernel when
    it winds up, and one more of them would then turn the exit code of a good end into -15.
    """
    marks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    listener = threading.Thread(target=_listen, args=(marks,), name="signals", daemon=True)
    listener.start()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: marks.put(act))
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        marks.put(None)
        listener.join()


def _listen(marks: "SimpleQueue[Callable[[], None] | None]") -> None:
    while (act := marks.get()) is not None:
        act()
