"""What a program says on standard output and standard error, whoever reads it.

A reader that ends early (`| head`) ends no work: what is left to say goes nowhere. A disk without
space for the output is an error like any other of the machine (74). Standard error may be full,
too: then nothing can be said, and the exit code says it alone. Both may be closed.
"""

import contextlib
import os
import select
import sys
from typing import TextIO

from actors.errors import EXIT_IO, reason_of


def open_closed() -> None:
    """Let what is closed of standard input, output and error lead nowhere; call it at the start.

    Else the next file or socket that is opened would get its number, and what is written to the
    stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number
    streams = vars(sys)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if streams[name] is None:
            streams[name] = os.fdopen(number, "w", closefd=False)


def put(text: str) -> bool:
    """Write to standard output at once; return False if its reader has ended just now.

    Raises:
        OSError: It has no space.
    """
    if not _is_open(sys.stdout):
        return True
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)
        return False
    except OSError:
        discard(sys.stdout)
        raise
    return True


def is_read() -> bool:
    """Return whether somebody may still read standard output; True where the system cannot say."""
    if not _is_open(sys.stdout):
        return True
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return not any(seen & (select.POLLERR | select.POLLHUP) for _, seen in poll.poll(0))
    except (OSError, ValueError):
        return True


def say(line: str) -> None:
    """Write one line to standard error, if that takes it."""
    if not _is_open(sys.stderr):
        return
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Let go nowhere what is written to a stream from now on, and what it still keeps."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def finish(program: str, code: int) -> int:
    """Write what is left at the end of a program, and return its exit code: 74 where that fails."""
    if _is_open(sys.stdout):
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            discard(sys.stdout)
        except OSError as exc:
            discard(sys.stdout)
            say(f"{program}: standard output: {reason_of(exc)}")
            code = EXIT_IO
    if _is_open(sys.stderr):
        try:
            sys.stderr.flush()
        except OSError:
            discard(sys.stderr)
    return code


def _is_open(stream: TextIO | None) -> bool:
    """Return whether there is such a stream: whoever starts a program may have closed it."""
    return stream is not None and not stream.closed
