"""A recording of a look: whole, bounded, for its owner only, and without secrets."""

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from actors.app.look_sources import Finding
from actors.app.recording import ALL_FRAMES, FILE, Recording
from actors.errors import ConfigError, FeedLost, RecordingFailed
from actors.polymarket.http import Call
from tests.fakes import FakeDialler

SIDES = {
    "gamma": "https://gamma.test/",
    "clob": "https://clob.test/v1",
    "data": "https://data.test",
}
KEY = "0123456789abcdef-key"
NODE = f"https://node.test/v2/{KEY}"


def recording(folder: Path, **more: Any) -> Recording:
    return Recording(folder, sides=SIDES, secrets=(NODE, KEY), **more)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()]


def answered(url: str, **more: Any) -> Call:
    return Call(method="GET", url=url, sent_s=100.0, received_s=100.25, status=200, **more)


def test_a_recording_has_a_first_and_a_last_line_and_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "look"
    with recording(folder) as made:
        made.finding(Finding("keyset", "ok"))
    first, finding, last = lines(folder)
    assert (first["kind"], first["version"]) == ("recording", 1)
    assert first["hosts"] == {"gamma": "gamma.test", "clob": "clob.test", "data": "data.test"}
    assert (finding["name"], finding["judgement"]) == ("keyset", "ok")
    assert last == {"kind": "end", "at": last["at"], "lines": 3, "full": False}
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_call_is_kept_with_the_headers_that_matter(tmp_path: Path) -> None:
    headers = {"Age": "7", "Set-Cookie": "id=1", "Date": "today"}
    with recording(tmp_path) as made:
        made.on_call(answered("https://gamma.test/markets?a=1", headers=headers, answer=b"[1]"))
        made.on_call(answered("https://clob.test/v1/markets/0x1", answer=b"\xff\x00"))
    _, gamma, clob, _ = lines(tmp_path)
    assert gamma == {
        "kind": "http", "at": 100.0, "side": "gamma", "method": "GET", "target": "/markets?a=1",
        "sent": "", "seconds": 0.25, "status": 200, "headers": {"age": "7", "date": "today"},
        "body": "[1]", "error": "",
    }  # fmt: skip
    assert (clob["side"], clob["target"]) == ("clob", "/markets/0x1")
    assert base64.b64decode(clob["body_base64"]) == b"\xff\x00"


def test_no_secret_and_no_address_of_a_node_is_kept(tmp_path: Path) -> None:
    body = f'{{"error": "unknown key {KEY}"}}'.encode()
    with recording(tmp_path) as made:
        made.on_call(Call(method="POST", url=NODE, body=b"[]", sent_s=1.0, answer=body, error=NODE))
        made.on_call(answered("https://data.test/x", answer=b"\xff" + KEY.encode()))
        made.on_call(answered("https://data.test/x", headers={"Server": KEY}))
        made.finding(Finding("chain", f"differs: {KEY}"))
    text = (tmp_path / FILE).read_text()
    assert KEY not in text
    assert "node.test" not in text
    _, rpc, raw, _, _, _ = lines(tmp_path)
    assert (rpc["side"], rpc["target"], rpc["sent"]) == ("rpc", "", "[]")
    assert rpc["body"] == '{"error": "unknown key [secret]"}'
    assert base64.b64decode(raw["body_base64"]) == b"\xff[secret]"


def test_every_frame_and_every_message_is_kept_in_its_order(tmp_path: Path) -> None:
    dialler, heard, ends = FakeDialler(), [], []
    with recording(tmp_path) as made:
        socket = made.dialler(dialler).dial(
            (b"book",),
            lambda at_ns, frames: heard.append((at_ns, frames)),
            lambda *e: ends.append(e),
        )
        socket.send_text("subscribe")
        (inner,) = dialler.sockets
        inner.on_frames(5_000_000_000, (b"[]", b"\xfe"))
        socket.handled(3)
        socket.close(1000, "")
        inner.on_end("closed_1000", "bye")
    assert inner.markers == ALL_FRAMES
    assert (inner.sent, inner.handled_bytes, inner.ended) == (["subscribe"], 3, ("close", "1000"))
    assert heard == [(5_000_000_000, (b"[]", b"\xfe"))]
    assert ends == [("closed_1000", "bye")]
    _, opened, sent, one, two, closed, _ = lines(tmp_path)
    assert (opened["kind"], opened["reason"]) == ("open", "")
    assert (sent["kind"], sent["text"]) == ("sent", "subscribe")
    assert (one["at"], one["text"], two["text_base64"]) == (5.0, "[]", "/g==")
    assert (closed["reason"], closed["detail"]) == ("closed_1000", "bye")


def test_a_connection_that_failed_is_kept_with_its_reason(tmp_path: Path) -> None:
    dialler = FakeDialler()
    dialler.fail_next = FeedLost("http_403", "Forbidden")
    with recording(tmp_path) as made, pytest.raises(FeedLost):
        made.dialler(dialler).dial((), lambda *_: None, lambda *_: None)
    assert lines(tmp_path)[1]["reason"] == "http_403"


def test_a_full_recording_says_so_and_keeps_what_the_look_says(tmp_path: Path) -> None:
    with recording(tmp_path, most_bytes=600) as made:
        for _ in range(9):
            made.on_call(answered("https://data.test/x", answer=b"x" * 200))
        made.finding(Finding("keyset", "ok"))
    kinds = [line["kind"] for line in lines(tmp_path)]
    assert kinds == ["recording", "http", "finding", "end"]
    assert lines(tmp_path)[-1]["full"] is True
    assert lines(tmp_path)[-1]["lines"] == 4


def test_a_look_that_is_interrupted_leaves_a_recording_without_its_last_line(
    tmp_path: Path,
) -> None:
    with pytest.raises(KeyboardInterrupt), recording(tmp_path):
        raise KeyboardInterrupt
    assert [line["kind"] for line in lines(tmp_path)] == ["recording"]


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(ConfigError, match=r"--record: .* is not empty; name a new directory"):
        recording(tmp_path)
    with pytest.raises(ConfigError, match="is no directory"):
        recording(tmp_path / "mine")
    with pytest.raises(ConfigError, match="is no directory"):
        recording(tmp_path / "mine" / "below")
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_disk_that_takes_no_more_is_told_in_the_end_and_does_not_end_the_look(
    tmp_path: Path,
) -> None:
    made = recording(tmp_path).__enter__()
    os.close(made._file.fileno())
    made.finding(Finding("keyset", "ok"))
    made.finding(Finding("clob", "ok"))
    with pytest.raises(RecordingFailed, match=f"{FILE}: "):
        made.__exit__(None, None, None)
