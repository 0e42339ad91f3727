"""Processes whose tracker reaches feed, sources and database through proxies."""

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.chaos.checker import Span
from tests.chaos.proxy import CLEAN, Proxy, Toxics
from tests.chaos.server import OwnServer
from tests.live.processes import Process, Processes, as_url


class CommandProcess(Process):
    """A process with a command of its own."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path, **popen: Any) -> None:
        self._log = log
        bare = {
            name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")
        }
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                env={**bare, **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
                **popen,
            )


class ProxiedProcesses(Processes):
    """Processes whose tracker may be led through proxies.

    Attributes:
        server: The database server.
        plain_dsn: Its address without a proxy.
        blind: Spans in which a proxy blocked the feed.
        overrides: Settings that override all others.
        resources: Closed with the run.
    """

    def __init__(self, folder: Path, server: OwnServer, dsn: str) -> None:
        super().__init__(folder, dsn)
        self.server = server
        self.plain_dsn = dsn
        self.blind: list[Span] = []
        self.overrides: dict[str, str] = {}
        self.resources = ExitStack()
        self._feed: Proxy | None = None
        self._http: Proxy | None = None
        self._base: Proxy | None = None

    @property
    def feed(self) -> Proxy:
        """Return the proxy before the feed; first used before the tracker starts."""
        if self._feed is None:
            self._feed = self.resources.enter_context(Proxy(self._place("ws_url")))
        return self._feed

    @property
    def http(self) -> Proxy:
        """Return the proxy before Gamma, CLOB, Data API and chain."""
        if self._http is None:
            self._http = self.resources.enter_context(Proxy(self._place("gamma_url")))
        return self._http

    @property
    def base(self) -> Proxy:
        """Return the proxy before the database."""
        if self._base is None:
            self._base = self.resources.enter_context(Proxy(self.server.address))
        return self._base

    def _place(self, url: str) -> tuple[str, int]:
        parts = urlsplit(self.urls[url])
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def settings(self) -> dict[str, str]:
        """Return the tracker's environment, through whatever proxies there are."""
        found = super().settings()
        found["TRACKER_LOG_FORMAT"] = "json"
        if self._feed is not None:
            _reroute(found, ("MARKET_WS_URL",), self._feed)
        if self._http is not None:
            _reroute(found, ("GAMMA_URL", "CLOB_URL", "DATA_URL", "POLYGON_RPC_URLS"), self._http)
        if self._base is not None:
            found["TRACKER_DATABASE_URL"] = as_url(
                self.server.through(self._base.address, self.plain_dsn)
            )
        return {**found, **self.overrides}

    def feed_stalls(self) -> None:
        """Let nothing through the proxy of the feed from now on, if there is one."""
        if self._feed is not None:
            self._feed.toxics = Toxics(hole=True)
            self.blind.append((time.time(), time.time() + 3600))

    def feed_recovers(self) -> None:
        """Let everything through again."""
        self.feed.toxics = CLEAN
        self.blind[-1] = (self.blind[-1][0], time.time())

    def clear(self) -> None:
        super().clear()
        self.resources.close()


def _reroute(settings: dict[str, str], names: Sequence[str], proxy: Proxy) -> None:
    for name in names:
        parts = urlsplit(settings[f"TRACKER_{name}"])
        settings[f"TRACKER_{name}"] = urlunsplit(
            parts._replace(netloc=f"{proxy.address[0]}:{proxy.address[1]}")
        )
