"""Resolvers that know made-up names, and ports that never answer."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from actors.network.connect import Resolve

_TO_FILL = 8
"""Connections that fill a queue of one; Linux takes one more than it is told."""


@contextmanager
def full_queue(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Yield a port that never answers a new connection, since the queue of its socket is full.

    Whoever connects cannot tell it from a host behind a firewall that drops everything.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(_TO_FILL):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def by_name(answer: Callable[[str], list[Any]]) -> Resolve:
    """Return a resolver that answers a name with this, and knows no numeric addresses."""

    def resolve(host: str, *arguments: Any) -> list[Any]:
        if arguments[4:] == (socket.AI_NUMERICHOST,):
            raise socket.gaierror
        return answer(host)

    return resolve


def addresses(*pairs: tuple[str, int]) -> Resolve:
    """Return a resolver that answers any name with these."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", pair) for pair in pairs]
    return by_name(lambda _: list(found))
