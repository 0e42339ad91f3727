"""A headless Chromium, driven by the pipe of its DevTools protocol: no library and no port.

Messages are JSON, each ended by a NUL, on descriptor 3 (to it) and 4 (from it).
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WITHOUT = "no Chromium is installed (Debian: apt-get install chromium)"
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe",
)  # fmt: skip
_ANSWER_S = 30.0


class Browser:
    """A running Chromium with one page at a time.

    Attributes:
        requested: The URL of each request of the pages.
        said: What was reported: errors of scripts, violations of a page's policy.
    """

    def __init__(self, to: int, come: int) -> None:
        self._to, self._come = to, come
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.requested: list[str] = []
        self.said: list[str] = []
        self._target = ""

    def open(
        self, url: str, *, width: int = 1_000, height: int = 800, scheme: str = "light"
    ) -> None:
        """Load a page in a new window of this size, in the light or the dark scheme."""
        self._session, before = "", self._target
        self._target = self._call("Target.createTarget", url="about:blank")["targetId"]
        if before:
            self._call("Target.closeTarget", targetId=before)
        attached = self._call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")
        self._size(width, height)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", features=features)
        self._call("Page.navigate", url=url)

    def resize(self, width: int, height: int = 800) -> None:
        """Give the window of the page another size, and wait until the page is laid out in it."""
        self._size(width, height)
        self.until(f"innerWidth === {width}")

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        found = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, *, within_s: float = 20.0) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + within_s
        while not self.run(script):
            assert time.monotonic() < end, f"not within {within_s:.0f} s: {script}"
            time.sleep(0.05)

    def skip(self, seconds: float) -> None:
        """Let the page's clocks pass so much time, as fast as they can; then they stand still."""
        self._call(
            "Emulation.setVirtualTimePolicy",
            policy="pauseIfNetworkFetchesPending",
            budget=round(seconds * 1000),
        )
        self._until_event("Emulation.virtualTimeBudgetExpired")
        self.run("document.getAnimations().forEach(each => each.finish())")

    def picture(self, most_high: int = 10_000) -> bytes:
        """Return the page as PNG, or its upper part if it is higher than so many pixels."""
        whole = self._call("Page.getLayoutMetrics")["cssContentSize"]
        height = min(whole["height"], most_high)
        clip = {"x": 0, "y": 0, "width": whole["width"], "height": height, "scale": 1}
        shot = self._call(
            "Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True
        )
        return base64.b64decode(shot["data"])

    def accessible(self) -> list[tuple[str, str]]:
        """Return role and name of everything that a screen reader is told."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
        ]

    # ------------------------------------------------------------------- the protocol

    def _size(self, width: int, height: int) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, f"{method}: {found.get('error')}"
                result: dict[str, Any] = found["result"]
                return result

    def _until_event(self, name: str) -> None:
        while self._next().get("method") != name:
            pass

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _ANSWER_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._come], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            some = os.read(self._come, 1 << 20)
            assert some, "Chromium has ended"
            self._buffer += some
        text, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        if found.get("sessionId", "") == self._session:
            self._note(found.get("method", ""), found.get("params", {}))
        return found

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["source"] != "network":
            self.said.append(str(params["entry"]))


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Run a Chromium with a profile of its own."""
    assert CHROMIUM is not None, WITHOUT
    (its_in, to), (come, its_out) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as home:
        # The shell puts the pipes where Chromium looks for them.
        command = f'exec "$0" "$@" 3<&{its_in} 4>&{its_out}'
        process = subprocess.Popen(
            ["/bin/bash", "-c", command, CHROMIUM, *_OPTIONS, f"--user-data-dir={home}"],
            pass_fds=(its_in, its_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"HOME": home, "PATH": os.environ.get("PATH", "")},
            start_new_session=True,
        )
        os.close(its_in)
        os.close(its_out)
        try:
            yield Browser(to, come)
        finally:
            os.close(to)
            os.close(come)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
