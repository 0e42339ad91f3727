"""One look at the real Polymarket: which of the assumptions about it hold today.

Asks each route, opens one connection, subscribes a few tokens on it, and says of each
assumption `ok`, `differs: …` or `not seen …`. It stores nothing and takes about a minute
at most.
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from actors.app.dialling import FeedDialler
from actors.app.factory import STOP_ACTOR_S
from actors.app.filters import filters_of
from actors.app.look_feed import FIRST_TOKENS, LATER_TOKENS, Dialler, FeedLook, QueueInbox
from actors.app.look_sources import (
    DIFFERS,
    NO_TIME,
    OK,
    CachedAnswers,
    Choice,
    Finding,
    Judgement,
    SourcesLook,
    Urls,
)
from actors.app.recording import Recording
from actors.catalog.universe import ASSETS_PER_MARKET
from actors.config.settings import Config
from actors.errors import SourceUnavailable
from actors.model.connection import DescriptorLimit
from actors.model.conversion import counted, terminal_safe
from actors.model.market import Market
from actors.polymarket import http as polymarket_http
from actors.polymarket.contract.nodes import Chain
from actors.polymarket.http import Call, OnCall
from actors.polymarket.listings import first_turn
from actors.process.runtime import raise_descriptor_limit
from actors.transport.reactor import Reactor

LONGEST_S, SOURCES_S = 60.0, 20.0
"""Seconds that all of it may take, and of them the HTTP sources."""
CALL_S = 5.0
"""Seconds that one HTTP call may take."""


def look(config: Config, folder: Path | None = None) -> Iterator[Finding]:
    """Look at the sources and the market channel of these settings; yield what is seen.

    Args:
        config: The settings.
        folder: Where to keep a recording of the look, if one is wanted.

    Raises:
        ConfigError: The folder cannot be used.
        RecordingFailed: The disk did not take the recording.
    """
    if folder is None:
        yield from _look(config, None)
        return
    sides = {"gamma": config.gamma_url, "clob": config.clob_url, "data": config.data_url}
    with Recording(folder, sides=sides, secrets=config.secrets()) as recording:
        for finding in _look(config, recording):
            recording.finding(finding)
            yield finding
    size = f"{recording.path.stat().st_size / 1e6:.1f} MB"
    more = "; it is full, and the rest is left out" if recording.is_full else ""
    yield Finding("recording", f"{recording.path}, {size}{more}")


def _look(config: Config, recording: Recording | None) -> Iterator[Finding]:
    until = time.monotonic() + LONGEST_S
    cached = CachedAnswers()

    def on_call(call: Call) -> None:
        if call.status == 200:
            cached.add(call.headers)
        if recording is not None:
            recording.on_call(call)

    http = polymarket_http.Http(config.user_agent, deadline_s=CALL_S, on_call=on_call)
    urls = (config.gamma_url, config.clob_url, config.data_url)
    sources = SourcesLook(
        http,
        http.clock,
        Urls(*(url.rstrip("/") for url in urls)),
        cached=cached,
        until=until - LONGEST_S + SOURCES_S,
    )
    try:
        yield from sources.findings()
        choice = sources.chosen(filters_of(config), first_turn(datetime.now(UTC)))
    finally:
        http.close()
    looked_at = sources.markets[: FIRST_TOKENS + LATER_TOKENS]
    reactor = Reactor()
    reactor.start()
    try:
        dialler: Dialler = FeedDialler(config, reactor, most_sockets=1)
        feed = FeedLook(
            dialler if recording is None else recording.dialler(dialler),
            [market.assets[0].token_id for market in looked_at],
            inbox=QueueInbox(),
            until=until,
            offset_s=http.clock.offset_s,
        )
        yield from feed.findings()
    finally:
        reactor.stop(STOP_ACTOR_S)
    left_s = until - time.monotonic()
    yield from chain_findings(config, sources.markets, left_s, on_call)
    volume = float(sum(market.volume or 0 for market in looked_at))
    per_dollar = feed.bytes_per_s / volume if volume else 0.0
    yield Finding("filters", needs(config, choice, per_dollar))


def needs(config: Config, choice: Choice | str, bytes_per_dollar: float) -> Judgement:
    """Return what the filters choose, and what the tracker needs for it.

    Args:
        config: The settings.
        choice: What they choose, or why that is not known.
        bytes_per_dollar: Bytes a second for each dollar of a market's volume.
    """
    if isinstance(choice, str):
        return f"not seen: {choice}"
    tokens = choice.markets * ASSETS_PER_MARKET
    per_connection = config.assets_per_connection // ASSETS_PER_MARKET
    # And the one that hears of new markets.
    connections = math.ceil(choice.markets / per_connection) * config.redundancy + 1
    limit = DescriptorLimit(raise_descriptor_limit())
    rate = bytes_per_dollar * float(choice.volume) * config.redundancy
    text = (
        f"{'' if choice.exact else 'at least '}{counted(choice.markets, 'market')},"
        f" {counted(tokens, 'token')}, {counted(connections, 'connection')},"
        f" {counted(limit.needed(connections), 'descriptor')}"
    )
    if rate:
        text += f", about {rate / 1e3:.0f} kB/s"
    if connections > limit.connections:
        text += f"; this process may open {limit.limit}"
    if choice.unmatched:
        text += f"; {choice.unmatched}"
    differs = connections > limit.connections or choice.unmatched or not choice.markets
    return f"{DIFFERS if differs else ''}{text}"


def chain_findings(
    config: Config, markets: Sequence[Market], left_s: float, on_call: OnCall | None = None
) -> Iterator[Finding]:
    """Ask each configured node, if any, about one market; all together within what is left."""
    urls = config.rpc_urls
    if not urls or not markets:
        return
    deadline_s = min(CALL_S, left_s / len(urls))
    if deadline_s <= 0:
        yield Finding("chain", NO_TIME)
        return
    for url in urls:
        told = f"{OK}: {urlsplit(url).hostname}" if len(urls) > 1 else OK
        node = Chain(
            [url],
            polymarket_http.Http(config.user_agent, deadline_s=deadline_s, on_call=on_call),
            public=config.has_public_nodes,
        )
        try:
            node.payouts([markets[0].condition_id])
            yield Finding("chain", told)
        except SourceUnavailable as exc:
            yield Finding("chain", f"{DIFFERS}{exc}")
        finally:
            node.close()


def as_text(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield one line for each finding; what comes from outside cannot drive a terminal."""
    for name, judgement in findings:
        yield terminal_safe(f"{name:<16} {judgement}")
