"""Resolvers that know made-up names, and ports that never answer."""

import select
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
        fill_queue(listener, stack)
        yield listener.getsockname()[1]


def fill_queue(listener: socket.socket, stack: ExitStack) -> None:
    """Fill the queue of a listener of 0 with connections that stay until the stack ends.

    Those that find no place are closed: else the kernel would ask for them again after 1 s, and
    they would take the place of whoever is meant to find the queue empty by then.
    """
    tried = [stack.enter_context(socket.socket()) for _ in range(_TO_FILL)]
    for client in tried:
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
    _, connected, _ = select.select([], tried, [], 0)
    for client in tried:
        if client not in connected:
            client.close()


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
