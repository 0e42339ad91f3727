import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.cli import status
from actors.health.status_socket import StatusSocket
from tests.cli.status_samples import health

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

Serve = Callable[[Any], dict[str, str]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve a document; yield a function that returns the environment to find it."""
    with ExitStack() as stack:

        def start(document: Any) -> dict[str, str]:
            made = StatusSocket(tmp_path / "tracker.sock", lambda: json.dumps(document).encode())
            made.start()
            stack.callback(made.close)
            return {"TRACKER_STATE_DIR": str(tmp_path)}

        yield start


def test_a_healthy_tracker_gives_0_and_says_so_first(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status.main([], environ=serve(health())) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "healthy"
    assert any("1,234 last minute" in line for line in lines)
    assert all(line == line.rstrip() for line in lines)
    assert all(line.isprintable() for line in lines)


def test_a_degraded_tracker_gives_1_and_its_reason(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status.main([], environ=serve(health(live=False))) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith("degraded: none of 2 connections is live for ")
    assert "reset" in out


def test_a_tracker_that_only_needs_attention_gives_0_and_its_reason(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = {"state": "attention", "reasons": ["odd"], "codes": ["x"], "levels": ["attention"]}
    environ = serve(health() | odd)
    assert status.main([], environ=environ) == 0
    assert capsys.readouterr().out.splitlines()[0] == "attention: odd"
    assert status.main(["--field", "levels.0"], environ=environ) == 0
    assert capsys.readouterr().out == "attention\n"

    def wait(_: float) -> None:
        raise KeyboardInterrupt

    assert status.main(["--watch", "--json"], environ=environ, wait=wait) == 0


def test_a_missing_tracker_gives_2_and_one_line_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"TRACKER_STATUS_SOCKET": str(tmp_path / "gone.sock")}
    assert status.main([], environ=environ) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert str(tmp_path / "gone.sock") in said.err
    assert "--socket" in said.err


def test_a_busy_supervisor_is_unreachable_and_named(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status.main([], environ=serve({"error": "supervisor busy"})) == 2
    said = capsys.readouterr().err
    assert "a tracker is there and gives no status" in said
    assert "supervisor busy" in said
    assert "running" not in said


def test_a_tracker_that_takes_no_connection_is_not_called_absent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "tracker.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(place))
        silent.listen(1)
        assert status.main([], environ={"TRACKER_STATUS_SOCKET": str(place)}) == 2
    said = capsys.readouterr().err
    assert "a tracker is there and gives no status" in said
    assert "file descriptors" in said


@pytest.mark.parametrize("document", [[], {"no": "state"}, "x"])
def test_an_answer_without_a_state_is_not_a_status_document(serve: Serve, document: Any) -> None:
    assert status.main([], environ=serve(document)) == 2


def test_the_document_of_another_version_is_reported_as_one(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = serve({"state": "healthy", "version": "9"})
    assert status.main([], environ=environ) == 2
    assert "another version (9)" in capsys.readouterr().err
    assert status.main(["--json"], environ=environ) == 0


def test_json_gives_the_document_as_it_is(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    document = health()
    assert status.main(["--json"], environ=serve(document)) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(document))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("state", "healthy"),
        ("trades.total", "1234"),
        ("accounting.balanced", "true"),
        ("last_reconnect", "null"),
        ("connections.list.b-0001.state", "listening"),
        ("connections.list.0.id", "a-0001"),
        ("reasons", "[]"),
    ],
)
def test_a_field_is_given_alone(
    serve: Serve, capsys: pytest.CaptureFixture[str], path: str, value: str
) -> None:
    assert status.main(["--field", path], environ=serve(health())) == 0
    assert capsys.readouterr().out == f"{value}\n"


@pytest.mark.parametrize("path", ["nothing", "trades.nothing", "state.deeper", "reasons.0", ""])
def test_a_field_that_is_not_there_is_a_wrong_option(
    serve: Serve, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    assert status.main([f"--field={path}"], environ=serve(health())) == 78
    assert capsys.readouterr().err.startswith(f"tracker-status: the status has no field {path!r}")


def test_a_wrong_option_is_one_line_and_78(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--nonsense"], ["--watch", "x"], ["--watch", "0"], ["--json", "--field", "a"]):
        assert status.main(argv, environ={}) == 78
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "_seconds" not in said  # a name of the source


def test_watching_asks_until_interrupted_and_returns_the_last_code(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    environ = serve(health(live=False))
    assert status.main(["--watch", "5", "--field", "state"], environ=environ, wait=wait) == 1
    assert waits == [5.0] * 3
    assert capsys.readouterr().out == "degraded\n" * 3


def test_text_from_outside_cannot_drive_the_terminal(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J[bold]x\nhealthy\u202e"
    environ = serve(health(live=False, reason=evil))
    for argv in ([], ["--field", "connections.list.0.last_reason"]):
        status.main(argv, environ=environ)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "healthy" not in out.splitlines()
    assert "[bold]" in out


def test_the_socket_is_looked_for_where_the_tracker_puts_it(
    tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(health())
    for environ in (
        {"TRACKER_STATUS_SOCKET": str(tmp_path / "tracker.sock")},
        {"STATE_DIRECTORY": str(tmp_path)},
        {"RUNTIME_DIRECTORY": str(tmp_path)},
    ):
        assert status.main(["--field", "state"], environ=environ) == 0
    assert status.main(["--socket", str(tmp_path / "tracker.sock")], environ={}) == 0
    assert "healthy" in capsys.readouterr().out


def test_the_limit_of_two_seconds_holds_with_a_tracker_that_hangs(tmp_path: Path) -> None:
    path = tmp_path / "t.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        mute.bind(str(path))
        mute.listen()
        with pytest.raises(status.Unreachable, match="no answer within"):
            status.ask(path, 0.2)


def test_it_gives_up_within_two_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        mute.bind(str(path))
        mute.listen()
        began = time.monotonic()
        assert status.main(["--socket", str(path)], environ={}) == 2
        assert time.monotonic() - began < 2.0
    assert "no answer within 1.5 s" in capsys.readouterr().err


@pytest.mark.parametrize(("age_s", "left"), [(0.4, "1.4"), (0.1, "1.5"), (9.0, "0.2")])
def test_a_slow_start_leaves_less_time_for_the_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], age_s: float, left: str
) -> None:
    path = tmp_path / "t.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        mute.bind(str(path))
        mute.listen()
        assert status.main(["--json", "--socket", str(path)], environ={}, age_s=lambda: age_s) == 2
    assert f"no answer within {left} s" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--json"], ["--field", "state"]])
def test_the_plain_forms_import_no_large_library(serve: Serve, argv: list[str]) -> None:
    environ = serve(health())
    place = str(Path(environ["TRACKER_STATE_DIR"]) / "tracker.sock")
    code = (
        "import sys; from actors.cli.status import command; code = command();"
        "print(sorted({'rich', 'pydantic', 'msgspec', 'pykka'} & sys.modules.keys()));"
        "sys.exit(code)"
    )
    for where in ({"TRACKER_STATUS_SOCKET": place}, {"RUNTIME_DIRECTORY": str(Path(place).parent)}):
        with _run(argv, where, code=code, stdout=subprocess.PIPE) as process:
            out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert out.splitlines()[-1] == b"[]"


def test_a_full_queue_of_the_socket_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "t.sock"
    with ExitStack() as stack, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(str(path))
        busy.listen(0)
        queued = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        queued.connect(str(path))
        with pytest.raises(status.Unreachable, match="no answer within"):
            status.ask(path, 0.3)


def test_a_document_of_thousands_of_connections_is_read(serve: Serve, tmp_path: Path) -> None:
    document = health()
    document["connections"]["list"] *= 2_000
    serve(document)
    assert len(status.ask(tmp_path / "tracker.sock")["connections"]["list"]) == 4_000


HEED_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
COMMAND = "import sys; from actors.cli.status import command; sys.exit(command())"


def _run(
    argv: list[str], environ: dict[str, str], *, code: str = COMMAND, **more: Any
) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        # Whoever runs the tests in the background has Ctrl-C ignored, and so would the command.
        [sys.executable, "-c", HEED_CTRL_C + code, *argv],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": root, "TERM": "xterm", **environ},
        **more,
    )


def _seen_on_a_terminal(environ: dict[str, str]) -> bytes:
    ours, theirs = pty.openpty()
    with _run([], environ, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the terminal is closed on the other side
                break
            if not part:
                break
            seen += part
        assert process.wait(20) == 0
    os.close(ours)
    return seen


def test_colours_are_for_terminals_that_want_them(serve: Serve) -> None:
    environ = serve(health())
    assert b"\x1b[1;32m" in _seen_on_a_terminal(environ)
    assert b"\x1b[1;32m" not in _seen_on_a_terminal({**environ, "NO_COLOR": "1"})


def test_a_live_view_ends_with_ctrl_c_and_the_code_of_the_last_look(serve: Serve) -> None:
    environ = serve(health(live=False))
    ours, theirs = pty.openpty()
    with _run(["--watch", "0.1"], environ, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while b"degraded: none of 2" not in seen:
            seen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        while process.poll() is None:
            with contextlib.suppress(OSError):  # the terminal is closed on the other side
                seen += os.read(ours, 65536)
        assert process.returncode == 1
    os.close(ours)
    assert b"Traceback" not in seen


def test_a_reader_that_ends_early_causes_no_traceback(serve: Serve) -> None:
    environ = serve(health())
    with _run(["--json"], environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 1
