"""The faults of the HTTP sides: late, rejected, wrong, cut short, endless."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HttpFaults = Callable[[str], float | None]
HTML = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
SIDES = frozenset({"gamma", "clob", "data", "rpc"})
BLOCK = b" " * 65_536
DROP_S = 0.5


async def weather(request: web.Request, handler: Handler, rages: HttpFaults) -> web.StreamResponse:
    """Answer a request as the faults in force will have it, else as its handler does.

    Args:
        request: Of any path; only the HTTP sides of the exchange are struck.
        handler: What answers when nothing rages.
        rages: Gives a lasting fault's value while it is in force, else None.
    """
    if request.path.split("/")[1] not in SIDES:
        return await handler(request)
    if request.headers.get("User-Agent", "").startswith("Python-urllib"):
        return web.Response(status=403, text="error code: 1010")
    delay = rages("slow_http")
    if delay is not None:
        await asyncio.sleep(delay)
    rejected = _rejected(rages)
    if rejected is not None:
        return rejected
    answer = await handler(request)
    if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
        return await _mangled(request, answer, answer.body, rages)
    return answer


def _rejected(rages: HttpFaults) -> web.Response | None:
    """Return the answer of a source that does not even look at the question."""
    after = rages("http_429")
    if after is not None:
        headers = {"Retry-After": f"{after:g}"}
        return web.Response(status=429, text="error code: 1015", headers=headers)
    if rages("http_500") is not None:
        return web.json_response({"error": "internal server error"}, status=500)
    share = rages("flaky_http")
    if share is not None and random.random() < share:
        return web.json_response({"error": "upstream timed out"}, status=503)
    if rages("http_html") is not None:
        return web.Response(text=HTML, content_type="text/html")
    if rages("http_redirect") is not None:
        return web.Response(status=302, headers={"Location": "http://127.0.0.2:9/elsewhere"})
    return None


async def _mangled(
    request: web.Request, answer: web.Response, body: bytes, rages: HttpFaults
) -> web.StreamResponse:
    """Return a good answer cut short, drop by drop, or behind a mountain of blanks."""
    if rages("http_truncated") is not None:
        return web.Response(
            status=answer.status, body=body[: len(body) // 2], content_type="application/json"
        )
    size = rages("http_huge")
    if size is None and rages("http_drip") is None:
        return answer
    stream = web.StreamResponse(status=answer.status)
    stream.content_type = "application/json"
    await stream.prepare(request)
    if size is not None:
        for _ in range(int(size * (1 << 20)) // len(BLOCK)):
            await stream.write(BLOCK)
        await stream.write(body)
    for drop in body if size is None else b"":
        await stream.write(bytes((drop,)))
        await asyncio.sleep(DROP_S)
    await stream.write_eof()
    return stream
