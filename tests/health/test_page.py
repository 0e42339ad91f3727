"""What the metrics port answers besides the metrics, request by request and without a thread."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import pytest

from actors.cli import status
from actors.health.metrics import PAGE
from actors.health.web import page
from actors.health.web.page import Pages
from tests.architecture.test_security import HOSTILE
from tests.cli.screens import SPOILS
from tests.health import pages
from tests.health.health_samples import START, document, state, well

HTML = PAGE.read_text()
HERE = "127.0.0.1:9464"


class Got(NamedTuple):
    """An answer as a client has it."""

    code: int
    headers: dict[str, str]
    body: str


def metrics(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"tracker_up 1\n"]


def of(told: dict[str, Any]) -> Callable[[], bytes]:
    return lambda: msgspec.json.encode(told)


def ask(
    path: str,
    answer: Callable[[], bytes] | None = None,
    *,
    method: str = "GET",
    host: str = HERE,
    html: str = HTML,
) -> Got:
    found: list[Any] = []

    def start_response(code: str, headers: list[tuple[str, str]]) -> None:
        found.extend((int(code.split(maxsplit=1)[0]), dict(headers)))
        assert len(headers) == len(dict(headers)), "a header twice"

    served = Pages(html, answer or of(pages.told()), metrics, names=("Recorder.example.com",))
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_HOST": host}
    body = b"".join(served(environ, start_response)).decode()
    return Got(found[0], found[1], body)


# ----------------------------------------------------------------------- the routes


def test_each_place_answers_in_its_kind() -> None:
    kinds = {"/": "text/html", "/status.json": "application/json", "/healthz": "text/plain"}
    for path, kind in {**kinds, "/readyz": "text/plain"}.items():
        found = ask(path)
        assert (found.code, found.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        assert found.headers["Content-Length"] == str(len(found.body.encode()))
    assert ask("/").body == HTML
    assert ask("/metrics").body == "tracker_up 1\n"


@pytest.mark.parametrize("path", ["/index.html", "", "//", "/metrics/", "/../etc/passwd", "/x<y>"])
def test_any_other_place_is_named_as_absent_and_not_repeated(path: str) -> None:
    found = ask(path)
    assert found.code == 404
    assert "/status.json" in found.body
    assert "passwd" not in found.body
    assert "<" not in found.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", ""])
@pytest.mark.parametrize("path", ["/", "/metrics"])
def test_nothing_can_be_changed(method: str, path: str) -> None:
    assert ask(path, method=method).code == 405


@pytest.mark.parametrize("path", ["/", "/status.json", "/readyz"])
def test_who_asks_for_the_head_gets_no_body(path: str) -> None:
    found, whole = ask(path, method="HEAD"), ask(path)
    assert (found.code, found.body) == (200, "")
    assert found.headers == whole.headers


# ----------------------------------------------------------- who may ask by which name


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9464", "127.0.0.1", "[::1]:9464", "[::1]", "10.1.2.3:80", "[fe80::1]:9464",
        "localhost:9464", "LOCALHOST", "tracker:9464", "recorder.example.com", "app.localhost:1",
        "RECORDER.example.com.:9464", "box.local", "tracker.svc.cluster.local:9464",
        "tracker.internal", "nas.home.arpa", "",
    ],
)  # fmt: skip
def test_a_name_that_can_only_mean_this_host_is_answered(host: str) -> None:
    assert ask("/status.json", host=host).code == 200
    assert ask("/metrics", host=host).code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:9464", "rebind.evil.example", "127.0.0.1.evil.example:9464", "a.b",
        "localhost.evil.example", "xlocal.example", "evil.example.:80", "[evil.example]:80",
        "10.1.2.3.4", "evil.internal.example", "recorder.example.com.evil.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/status.json", "/metrics", "/readyz", "/healthz", "/x"])
def test_a_name_that_a_stranger_could_lead_here_is_not_answered(host: str, path: str) -> None:
    """Attack: DNS rebinding. A page of evil.example asks its own name, which now leads to us."""
    found = ask(path, host=host)
    assert found.code == 421
    assert "DNS rebinding" in found.body
    assert "evil" not in found.body


# ------------------------------------------------------------------ what a browser may do


def test_a_browser_runs_the_pages_own_script_and_style_alone() -> None:
    for path in ("/", "/status.json", "/metrics", "/x"):
        headers = ask(path).headers
        policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
        for kind in ("script", "style"):
            (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", HTML, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert policy.pop(f"{kind}-src") == f"'sha256-{digest}'"
        assert policy == {
            "default-src": "'none'",
            "connect-src": "'self'",
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "'none'",
        }
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert not any(name.startswith("Access-Control") for name in headers)


def test_the_page_names_no_other_place_and_makes_no_html_of_a_text() -> None:
    urls = set(re.findall(r"https?://[^\s'\"]+|//[a-z][\w.]+", HTML))
    assert urls == {"http://www.w3.org/2000/svg"}, "the name of SVG, which nobody asks for"
    markup = re.sub(r"<(script|style)>.*?</\1>", "", HTML, flags=re.DOTALL)
    assert not re.findall(r"\s(?:on\w+|style|src|action)=", markup)
    assert re.findall(r"<(?:script|style|link|img|iframe)\b[^>]*>", HTML) == [
        '<link rel="icon" id="icon" href="data:,">',
        "<style>",
        "<script>",
    ]
    for sink in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "cookie",
                 "localStorage", "DOMParser", "Function(", "srcdoc"):  # fmt: skip
        assert sink not in HTML


def test_the_page_is_one_of_headings_tables_and_one_live_region() -> None:
    levels = [int(level) for level in re.findall(r"<h(\d)", HTML)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    assert re.findall(r'id="(\w+)"[^>]*aria-live="polite"', HTML) == ["announced"]
    assert HTML.count("aria-live") == 1
    assert HTML.startswith('<!doctype html>\n<html lang="en"')
    heads = re.findall(r"<th\b[^>]*>", HTML)
    assert heads
    assert all('scope="col"' in head for head in heads)
    assert "healthy" not in re.sub(r"<(script|style)>.*?</\1>", "", HTML, flags=re.DOTALL).lower()


# --------------------------------------------------------------------------- readiness


@pytest.mark.parametrize("name", ["healthy", "attention", "degraded", "starting", "stopping"])
def test_it_is_ready_when_tracker_status_ends_with_0(name: str) -> None:
    told = {**pages.told(), "state": name, "reasons": ["one thing", "another"]}
    found = ask("/readyz", of(told))
    expected = 200 if status._code(told) == status.EXIT_HEALTHY else 503
    assert (found.code, found.body) == (expected, f"{name}\none thing\nanother\n")


def test_readiness_by_true_states() -> None:
    ending = well()
    ending.stopping()
    for health, now, code in (
        (well(), START + 2, 200),
        (state(), START + 2, 503),
        (ending, START + 2, 503),
    ):
        assert ask("/readyz", of(msgspec.to_builtins(document(health, now)))).code == code
    assert ask("/readyz", of(pages.told("source_failing"))).code == 200
    found = ask("/readyz", of(pages.told("database_away")))
    assert (found.code, found.body.splitlines()[0]) == (503, "degraded")
    assert "connection refused" in found.body


def busy() -> bytes:
    raise TimeoutError


def broken() -> bytes:
    raise RuntimeError("postgresql://u:hunter2@db/x")


@pytest.mark.parametrize("answer", [busy, broken, lambda: b"garbage", lambda: b"[]", lambda: b"{}"])
def test_a_tracker_that_gives_no_status_is_not_ready_and_its_process_answers(
    answer: Callable[[], bytes],
) -> None:
    for path in ("/readyz", "/status.json"):
        found = ask(path, answer)
        assert found.code == 503
        assert "hunter2" not in found.body
    assert "supervisor" in ask("/readyz", busy).body
    assert json.loads(ask("/status.json", answer).body)["error"]
    assert ask("/healthz", answer).code == 200
    assert ask("/", answer).code == 200


def test_the_probe_of_the_process_asks_the_tracker_nothing() -> None:
    asked: list[int] = []

    def counting() -> bytes:
        asked.append(1)
        return b"{}"

    ask("/healthz", counting)
    ask("/", counting)
    assert asked == []


# ------------------------------------------------------------------------ the document


def test_the_document_is_that_of_tracker_status() -> None:
    told = pages.told()
    found = json.loads(ask("/status.json", of(told)).body)
    listed = [each["connections"].pop("list") for each in (told, found)]
    assert found == told
    all_of_them, shown = (sorted(each, key=lambda one: str(one["id"])) for each in listed)
    assert shown == all_of_them


def test_of_many_connections_the_worst_are_shown() -> None:
    told = pages.told()
    (like, *_) = told["connections"]["list"]
    many = [{**like, "id": f"a-{n:04}", "last_hour": n} for n in range(3_000)]
    many[17] = {**many[17], "state": "silent"}
    told["connections"] = {**told["connections"], "list": many, "wanted": 3_000}
    found = ask("/status.json", of(told))
    shown = [one["id"] for one in json.loads(found.body)["connections"]["list"]]
    assert shown == ["a-0017", *(f"a-{n}" for n in range(2_999, 2_988, -1))]
    assert len(found.body) < 20_000


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_short_and_hide_nothing(text: str) -> None:
    text = text.replace("\ud800", "")  # no JSON that is written here can hold it
    told = pages.told()
    told["latest"] = {"trades": [{"question": text, "outcome": text}], "resolutions": []}
    told["reasons"], told["host"] = [text], text
    told["resolutions"]["pending"] = {text: 3}
    found = ask("/status.json", of(told))
    shown = json.loads(found.body)
    (pending,) = shown["resolutions"]["pending"]
    for each in (shown["latest"]["trades"][0]["question"], shown["host"], pending):
        assert len(each) <= page.LONGEST_TEXT
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066\ufeff]", each)
    assert ask("/readyz", of(told)).body.split("\n") == [told["state"], shown["reasons"][0], ""]


def test_the_page_has_a_word_for_each_state_and_code_of_the_screens() -> None:
    (words,) = re.findall(r"const WORDS = \{(.*?)\};", HTML)
    (icons,) = re.findall(r"const ICONS = \{(.*?)\};", HTML)
    states = {"healthy", "attention", "degraded", "starting", "stopping"}
    assert set(re.findall(r"(\w+):", words)) == states
    assert set(re.findall(r'(\w+): "#', icons)) == {*states, "gone"}
    assert states - {"degraded"} <= {*re.findall(r'data-state="(\w+)"\]', HTML), "unknown"}
    assert len(SPOILS) > 20
