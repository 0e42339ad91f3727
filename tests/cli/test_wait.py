"""`tracker-status --wait takes-over-from`: two sockets whose trackers say what the test scripts."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.cli import status
from actors.health import takeover
from actors.health.status_socket import StatusSocket

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def coverage(
    journal: str, proof: int, tokens: int, *, since: int = 10, database: str = "db"
) -> dict[str, Any]:
    packed = b"".join(number.to_bytes(8, "big") for number in range(tokens))
    groups = [[since, base64.b64encode(packed).decode()]] if tokens else []
    one = {"connection": "a-0000", "proven_until_ns": proof, "tokens": groups}
    return {"journal": journal, "database": database, "unanswered": [], "connections": [one]}


class Script:
    """Two trackers and a clock that only `wait` moves.

    Attributes:
        say: What each says at a time.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.now = 0.0
        self.waits = 0
        self.old, self.new = folder / "old.sock", folder / "new.sock"
        self.say: dict[Path, Callable[[float], dict[str, Any]]] = {
            self.old: lambda _: coverage("old", 100, 3),
            self.new: lambda _: coverage("new", 110, 3),
        }
        self.stack = stack
        for path in (self.old, self.new):
            self.start(path)

    def start(self, path: Path) -> None:
        def answer() -> bytes:
            return json.dumps(self.say[path](self.now)).encode()

        made = StatusSocket(path, lambda: b"{}", others={"coverage": answer})
        made.start()
        self.stack.callback(made.close)
        setattr(self, f"{path.stem}_socket", made)

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.waits += 1
        self.now += seconds

    def run(self, *argv: str) -> int:
        return status.main(
            ["--socket", str(self.new), "--wait", "takes-over-from", str(self.old), *argv],
            environ={},
            wait=self.wait,
            monotonic=lambda: self.now,
        )


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    with ExitStack() as stack:
        yield Script(tmp_path, stack)


def test_it_ends_at_once_with_0_when_all_is_taken_over(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.run() == 0
    said = capsys.readouterr()
    assert said.out == (
        f"taken over after 0 s: each of the 3 tokens that {script.old} covers is proven here"
        " beyond its proof; it can be stopped\n"
    )
    assert (said.err, script.waits) == ("", 0)


def test_it_waits_until_all_is_taken_over(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.say[script.new] = lambda now: coverage("new", 110, 3 if now >= 7 else 1)
    assert script.run() == 0
    assert script.now == 7.0
    said = capsys.readouterr()
    assert said.out.startswith("taken over after 7 s")
    assert said.err == (
        "waiting: 2 of its 3 tokens are not taken over: 2 not covered here; on a-0000 (2)\n"
    )


def test_after_the_timeout_it_ends_with_1_and_says_what_is_left_in_few_lines(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.say[script.new] = lambda _: coverage("new", 99, 3)
    assert script.run() == 1
    assert script.now == 600.0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1] == (
        "tracker-status: not taken over after 600 s: 3 of its 3 tokens are not taken over:"
        " 3 not proven here up to its proof; on a-0000 (3)"
    )
    assert said.err.count("\n") < 10
    assert script.run("--timeout", "2000") == 1
    assert capsys.readouterr().err.count("\n") < 12


@pytest.mark.parametrize("which", ["old", "new"])
def test_one_that_cannot_be_reached_ends_it_with_2_within_seconds(
    script: Script, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    getattr(script, f"{which}_socket").close()
    assert script.run() == 2
    assert 15 < script.now < 20
    said = capsys.readouterr().err.splitlines()[-1]
    assert str(getattr(script, which)) in said
    assert "no such file" in said


def test_one_that_is_started_again_meanwhile_is_waited_for(script: Script) -> None:
    def say(now: float) -> dict[str, Any]:
        return coverage("new", 110, 3 if now > 20 else 0)

    script.say[script.new] = say
    down = ExitStack()

    def wait(seconds: float) -> None:
        Script.wait(script, seconds)
        if script.now == 5.0:
            script.new_socket.close()  # type: ignore[attr-defined]
        if script.now == 12.0:
            script.start(script.new)

    script.wait = wait  # type: ignore[method-assign]
    with down:
        assert script.run() == 0
    assert script.now == 21.0


def test_a_busy_one_is_asked_again_until_the_timeout(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    def busy(_: float) -> dict[str, Any]:
        raise TimeoutError

    script.say[script.old] = busy
    assert script.run("--timeout", "60") == 1
    assert script.now == 60.0
    assert capsys.readouterr().err.endswith(f"{script.old}: supervisor busy\n")


def test_what_another_tracker_says_cannot_drive_the_terminal(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.say[script.old] = lambda _: {"error": "\x1b[2J\u202e busy\nhealthy"}
    assert script.run("--timeout", "30") == 1
    said = capsys.readouterr()
    assert "busy" in said.err
    assert not {"\x1b", "\u202e"} & set(said.out + said.err)
    assert "healthy" not in said.err.splitlines()


@pytest.mark.parametrize("which", ["old", "new"])
def test_an_older_version_is_named_and_not_waited_for(
    script: Script, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    getattr(script, f"{which}_socket").close()
    older = StatusSocket(getattr(script, which), lambda: b"{}")
    older.start()
    script.stack.callback(older.close)
    assert script.run() == 2
    assert script.waits == 0
    assert "of a version that cannot say what it covers" in capsys.readouterr().err


def test_the_same_tracker_is_a_wrong_option(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.say[script.new] = script.say[script.old]
    assert script.run() == 78
    assert "the socket of the same tracker" in capsys.readouterr().err


def test_trackers_of_different_databases_are_a_wrong_option(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.say[script.new] = lambda _: coverage("new", 110, 3, database="other")
    assert script.run() == 78
    said = capsys.readouterr()
    assert said.err == (
        f"tracker-status: {script.old} writes to another database (db) than this tracker (other),"
        " which therefore cannot take over from it; compare the settings of both (database.server"
        " in tracker-status --json); after a restart of the database ask again\n"
    )
    assert (said.out, script.waits) == ("", 0)


@pytest.mark.parametrize("which", [("old",), ("new",), ("old", "new")])
def test_of_trackers_that_do_not_know_which_database_it_is_none_takes_over(
    script: Script, which: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for each in which:
        path = getattr(script, each)
        known = {**script.say[path](0), "database": takeover.UNKNOWN_DATABASE}
        script.say[path] = lambda _, known=known: known  # type: ignore[misc]
    assert script.run() == 78
    said = capsys.readouterr()
    named = "this tracker" if which == ("new",) else str(script.old)
    assert said.err == (
        f"tracker-status: {named} may not ask its database which one it is, so whether both"
        " write to the same is not known: `grant execute on function pg_postmaster_start_time()"
        " to` its role, and start it again\n"
    )
    assert (said.out, script.waits) == ("", 0)


@pytest.mark.parametrize("which", ["old", "new"])
def test_while_one_has_not_reached_its_database_it_is_not_taken_over(
    script: Script, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = getattr(script, which)
    known = script.say[path](0)

    def say(now: float) -> dict[str, Any]:
        return {**known, "database": "db" if now >= 7 else ""}

    script.say[path] = say
    assert script.run() == 0
    assert script.now == 7.0
    named = "this tracker" if which == "new" else str(script.old)
    assert capsys.readouterr().err == f"waiting: {named} has not reached its database yet\n"


@pytest.mark.parametrize("which", ["old", "new"])
def test_one_that_does_not_name_its_database_is_of_an_older_version(
    script: Script, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = getattr(script, which)
    known = {name: said for name, said in script.say[path](0).items() if name != "database"}
    script.say[path] = lambda _: known
    assert script.run() == 2
    assert (script.waits, capsys.readouterr().err.count("\n")) == (0, 1)


def test_the_longer_the_answers_take_the_less_often_it_asks(script: Script) -> None:
    def slow(_: float) -> dict[str, Any]:
        script.now += 0.5
        return coverage("new", 99, 3)

    script.say[script.new] = slow
    assert script.run() == 1
    assert script.waits < 70


@pytest.mark.parametrize(
    "argv",
    [
        ["--wait", "something", "/x"],
        ["--wait", "takes-over-from"],
        ["--wait", "takes-over-from", "/x", "--json"],
        ["--wait", "takes-over-from", "/x", "--timeout", "0"],
    ],
)
def test_a_wrong_wait_is_one_line_and_78(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status.main(argv, environ={}) == 78
    assert capsys.readouterr().err.count("\n") == 1
