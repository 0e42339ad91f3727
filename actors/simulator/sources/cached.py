"""What a cache in front of a source does: an old answer to the same question, and its age."""

from collections.abc import Callable
from email.utils import formatdate

from aiohttp import web

CACHE_MS = 300_000
CACHED_BYTES = 32 << 20
Kept = tuple[int, bytes]
"""HTTP status and body."""


class Cache:
    """Keeps each answer for 300 s, by the address that was asked for, as long as there is space."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Kept]] = {}  # the oldest comes first
        self._bytes = 0

    def answer(self, address: str, now: int, make: Callable[[], Kept]) -> tuple[Kept, int]:
        """Return the answer to an address and its age in milliseconds.

        Args:
            address: Path and query.
            now: Wall clock, milliseconds.
            make: Makes an answer now; only good ones are kept.
        """
        kept = self._kept.get(address)
        if kept is not None and now - kept[0] < CACHE_MS:
            return kept[1], now - kept[0]
        made = make()
        if made[0] == 200:
            self._drop(address)
            self._kept[address] = (now, made)
            self._bytes += len(made[1])
            while self._bytes > CACHED_BYTES:
                self._drop(next(iter(self._kept)))
        return made, 0

    def _drop(self, address: str) -> None:
        kept = self._kept.pop(address, None)
        self._bytes -= 0 if kept is None else len(kept[1][1])


def cached(cache: Cache, address: str, now: int, make: Callable[[], Kept]) -> web.Response:
    """Return an answer as a cache gives it, with the headers that tell of it.

    Args:
        cache: Of this source.
        address: Path and query.
        now: Wall clock, milliseconds.
        make: Makes an answer now.
    """
    (status, body), age_ms = cache.answer(address, now, make)
    answer = web.Response(status=status, body=body, content_type="application/json")
    answer.headers["Cache-Control"] = "public, max-age=300"
    answer.headers["CF-Cache-Status"] = "HIT" if age_ms else "MISS"
    if age_ms:
        answer.headers["Age"] = str(age_ms // 1000)
        answer.headers["Date"] = formatdate((now - age_ms) / 1000, usegmt=True)
    return answer
