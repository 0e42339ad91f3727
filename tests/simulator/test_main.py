import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from actors.simulator.main import main

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "bin" / "tracker-simulator")
QUIET = ["--markets=4", "--noise-per-second=10", "--trades-per-second=10"]


@contextmanager
def simulator(folder: Path, *argv: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Start the script, and give the process and its ready line."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT, f"--dir={folder}", *QUIET, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def wait_gone(pid: int, deadline_s: float) -> bool:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        # A process cannot be waited for by others than its parent: look again.
        time.sleep(0.02)
    return False


@pytest.mark.live
def test_ready_line_has_every_address_and_each_answers(tmp_path: Path) -> None:
    with simulator(tmp_path) as (process, ready):
        assert ready["ready"] is True
        assert ready["pid"] == process.pid
        assert ready["ws_url"].startswith("ws://127.0.0.1:")
        answers = [
            requests.get(url, timeout=5)
            for url in (
                f"{ready['clob_url']}/markets/0x1",
                f"{ready['gamma_url']}/markets/keyset",
                f"{ready['data_url']}/v2/resolutions",
                f"{ready['admin_url']}/summary",
            )
        ]
        assert [answer.status_code for answer in answers] == [404, 200, 400, 200]
        asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
        chain = requests.post(ready["rpc_url"], json=asked, timeout=5)
        assert chain.json()["result"] == "0x89"


@pytest.mark.live
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_within_two_seconds_with_the_summary_as_last_line(
    tmp_path: Path, number: int
) -> None:
    with (
        simulator(tmp_path) as (process, ready),
        socket.create_connection(
            ("127.0.0.1", int(ready["ws_url"].split(":")[2].split("/")[0]))
        ) as client,
    ):
        client.sendall(
            b"GET /ws/market HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 101")
        begun = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=5)
        assert time.monotonic() - begun < 2
        assert (process.returncode, err) == (0, "")
        summary = json.loads(out.splitlines()[-1])
        assert {"sent", "markets", "resolved", "connections", "faults"} <= set(summary)
        assert summary["connections"]["total"] == 1
        last = (tmp_path / "ledger.jsonl").read_text().splitlines()[-1]
        assert json.loads(last)["sent"] == summary["sent"]


@pytest.mark.live
def test_missing_reader_of_the_last_line_is_no_failure(tmp_path: Path) -> None:
    with simulator(tmp_path) as (process, _):
        assert process.stdout is not None
        process.stdout.close()
        process.terminate()
        assert process.wait(5) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.live
def test_duration_ends_it_by_itself(tmp_path: Path) -> None:
    with simulator(tmp_path, "--duration=0.3") as (process, _):
        out, _ = process.communicate(timeout=5)
        assert process.returncode == 0
        assert json.loads(out.splitlines()[-1])["elapsed_s"] >= 0.3


@pytest.mark.live
def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline(), end='', flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            code,
            sys.executable,
            SCRIPT,
            f"--dir={tmp_path}",
            *QUIET,
            "--die-with-parent",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    ready = json.loads(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    try:
        assert wait_gone(ready["pid"], 5)
    finally:
        if not wait_gone(ready["pid"], 0.01):
            os.kill(ready["pid"], signal.SIGKILL)


@pytest.mark.live
def test_next_run_continues_the_ledger_of_a_killed_one(tmp_path: Path) -> None:
    with simulator(tmp_path) as (process, ready):
        assert ready["run"] == 1
        process.kill()
        process.wait()
    with simulator(tmp_path) as (_, ready):
        assert ready["run"] == 2
        markets = requests.get(f"{ready['admin_url']}/markets", timeout=5).json()["markets"]
        runs = {line["run"] for line in markets}
        assert runs == {1, 2}


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--markets=few"], "--markets"),
        (["--trades-per-second=-1"], "--trades-per-second"),
        (["--trades-per-second=nan"], "--trades-per-second"),
        (["--fault=1:moon"], "moon"),
        (["--life=9-3"], "--life"),
        (["--port=70000"], "--port"),
        (["--run=0"], "--run"),
        (["--no-such-thing"], "--no-such-thing"),
        (["--replay=/no/such/file"], "/no/such/file"),
    ],
)
def test_wrong_option_is_one_clear_line_and_exit_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], part: str
) -> None:
    assert main([f"--dir={tmp_path / 'run'}", *argv]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert part in err
    assert not (tmp_path / "run").exists()


def test_missing_folder_option_is_exit_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 78
    assert "--dir" in capsys.readouterr().err


def test_port_in_use_is_exit_74_and_uses_no_run_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([f"--dir={tmp_path / 'run'}", f"--port={port}"]) == 74
    assert capsys.readouterr().err == f"tracker-simulator: 127.0.0.1:{port} is in use\n"
    assert not (tmp_path / "run").exists()


def test_folder_that_cannot_be_made_is_exit_74(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "below"
    assert main([f"--dir={folder}"]) == 74
    said = capsys.readouterr().err
    assert said == f"tracker-simulator: {folder}: Not a directory\n"


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b", "::1", "x" * 64, "a\0b", "\udcff"])
def test_a_host_that_is_not_of_this_machine_is_exit_78(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"--dir={tmp_path / 'run'}", f"--host={host}"]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert "argument --host: " in line
    assert not (tmp_path / "run").exists()


def test_run_that_is_in_the_ledger_already_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [f"--dir={tmp_path}", *QUIET, "--run=3", "--duration=0"]
    assert main(argv) == 0
    assert main(argv) == 78
    assert "run 3" in capsys.readouterr().err
