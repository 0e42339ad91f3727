import io
import json
import logging
import math
import os
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import example, given
from hypothesis import strategies as st

from actors.process import logs
from tests.clocks import HOUR_S, clocks

SECRET = "hunter2-and-more"
log = logging.getLogger("actors.test_logs")


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def raised(error: Exception) -> Exception:
    """Return the error with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_an_event_is_one_json_object_with_its_fields(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    log.info("connection_opened", extra={"connection": "a-0001", "tokens": 200})
    (line,) = lines(stream)
    assert line["event"] == "connection_opened"
    assert "message" not in line
    assert (line["level"], line["connection"], line["tokens"]) == ("INFO", "a-0001", 200)
    assert line["timestamp"].endswith("Z")
    assert list(line)[:4] == ["timestamp", "level", "event", "logger"]


def test_text_of_a_library_is_a_message_without_an_event_of_its_own(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    logging.getLogger("some.library").warning("Retrying %s", "now")
    (line,) = lines(stream)
    assert (line["event"], line["message"]) == ("library_message", "Retrying now")


def test_levels_below_the_chosen_one_are_not_written(stream: io.StringIO) -> None:
    logs.configure("WARNING", "json", stream)
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_configuring_again_replaces_the_stream_instead_of_doubling_lines(
    stream: io.StringIO,
) -> None:
    logs.configure("INFO", "json", io.StringIO())
    logs.configure("INFO", "json", stream)
    log.info("once")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize(
    "text",
    [
        f"connecting with {SECRET}",
        "postgres://tracker:p@ss[word@db:5432/x is no good",
        "POSTGRESQL://tracker:%zz-open@db/x?password=oops-open",
        "https://user:open-sesame@rpc.example/v1",
        "connection failed: password=oops-open host=db",
        'invalid dsn: password = "oops-open"',
    ],
)
def test_no_secret_is_written_wherever_it_stands(
    stream: io.StringIO, style: str, text: str
) -> None:
    logs.configure("INFO", style, stream, secrets=[SECRET])
    log.info(text)
    log.info("failed", extra={"why": text, "more": {"deep": [text, text.encode()], text: 1}})
    log.error("failed", extra={"error": OSError(text)}, exc_info=raised(OSError(text)))
    written = stream.getvalue()
    for part in (SECRET, "ss[word", "oops-open", "%zz-open", "open-sesame"):
        assert part not in written
    assert "[secret]" in written


def test_a_secret_that_the_limit_would_cut_in_two_is_gone_as_well(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream, secrets=[SECRET])
    for padding in range(logs.LONGEST_TEXT - len(SECRET) - 2, logs.LONGEST_TEXT + 2):
        log.info("x", extra={"text": "a" * padding + SECRET})
    log.info("x", extra={"text": SECRET * 5000})
    assert SECRET[:6] not in stream.getvalue()
    # What is shown to people is cut where no more of a text is looked at.
    for padding in range(logs.LONGEST_SCRUBBED - len(SECRET) - 2, logs.LONGEST_SCRUBBED + 2):
        assert SECRET[:6] not in logs.for_people("a" * padding + SECRET)


def test_foreign_text_cannot_forge_a_line_or_drive_the_terminal(stream: io.StringIO) -> None:
    evil = 'x\n{"event": "forged"}\r\x1b[31m\u2028\u202e\x85\ud800'
    for style in ("json", "console"):
        logs.configure("INFO", style, stream)
        log.info("rejected", extra={"text": evil})
    written = stream.getvalue()
    assert written.count("\n") == 2
    assert "\x1b" not in written
    assert "\u202e" not in written
    assert written.isprintable() or set(written) - {"\n"} == {c for c in written if c.isprintable()}


def test_texts_end_after_500_characters(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    log.info("long", extra={"text": "é" * 20_000_00, "raw": b"\xff" * 10_000})
    (line,) = lines(stream)
    assert len(line["text"]) == len(line["raw"]) == logs.LONGEST_TEXT


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["a", "a-", "a://", "password", "password=", "\\", " ", "%"])
def test_a_hostile_text_costs_no_quadratic_time(piece: str) -> None:
    scrubber = logs.Scrubber([SECRET])
    for _ in range(20):
        assert len(scrubber.text(piece * 1_000_000)) <= logs.LONGEST_TEXT


def test_a_traceback_keeps_its_end_and_its_lines(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    log.error("failed", exc_info=raised(ValueError("the end")))
    (line,) = lines(stream)
    assert line["exc_info"].splitlines()[-1] == "ValueError: the end"
    assert len(line["exc_info"].splitlines()) > 2


@example("not a number", math.nan)
@example("without a bound", -math.inf)
@given(st.text(max_size=50), st.floats() | st.binary(max_size=20) | st.text(max_size=700))
def test_whatever_is_logged_the_line_is_json_of_one_line(text: str, value: object) -> None:
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    log.info("seen", extra={"field": {text: value}})
    (raw,) = stream.getvalue().splitlines()
    # What Python writes of a number that is none is no JSON (RFC 8259 6).
    line = json.loads(raw, parse_constant=pytest.fail)
    assert line["event"] == "seen"
    assert stream.getvalue().isascii()


class _Broken(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


class _Mute:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_broken_or_closed_stream_is_survived_in_silence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (_Broken(), closed):
        logs.configure("INFO", "json", stream)
        log.info("lost")
    assert capsys.readouterr().err == ""


def test_a_value_without_a_text_does_not_cost_the_line(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    log.info("seen", extra={"odd": _Mute()})
    assert "_Mute" in lines(stream)[0]["odd"]


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("%d of %s", ("a",)),
        ("%d", ("a",)),
        ("%(name)s", ({},)),
        ("%z", ("a",)),
        ("it has %s", (_Mute(),)),
        (_Mute(), ()),
    ],
    ids=["too few", "no number", "no such name", "no such form", "a mute value", "a mute text"],
)
@pytest.mark.parametrize("style", ["json", "console"])
def test_a_log_call_of_a_library_that_is_wrong_does_not_cost_the_line(
    stream: io.StringIO,
    style: str,
    message: object,
    values: tuple[object, ...],
) -> None:
    logs.configure("INFO", style, stream)
    record = logging.getLogger("library").makeRecord(
        "library", logging.WARNING, __file__, 1, message, values, None
    )
    # Ours alone: those of pytest raise what is wrong with a call.
    logging.getLogger().handlers[-1].handle(record)
    said = stream.getvalue()
    assert (message if isinstance(message, str) else "_Mute") in said
    assert "log_call_error" in said
    assert said.count("\n") == 1


def test_console_lines_read_like_prose(stream: io.StringIO) -> None:
    logs.configure("INFO", "console", stream)
    log.warning("store_lost", extra={"reason": "rejected"})
    assert stream.getvalue()[12:] == " WARNING store_lost reason=rejected\n"


def test_auto_means_json_without_a_terminal(stream: io.StringIO) -> None:
    logs.configure("INFO", "auto", stream)
    log.info("seen")
    assert lines(stream)[0]["event"] == "seen"


@pytest.fixture
def hooks(stream: io.StringIO) -> Iterator[None]:
    logs.configure("INFO", "json", stream)
    undo = logs.install_hooks()
    yield
    undo()


@pytest.mark.usefixtures("hooks")
def test_an_error_that_would_end_the_process_is_logged(stream: io.StringIO) -> None:
    error = ValueError("boom")
    sys.excepthook(ValueError, error, None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("uncaught", "CRITICAL")
    assert "boom" in line["exc_info"]


@pytest.mark.usefixtures("hooks")
def test_an_error_that_ends_a_thread_is_logged_with_its_name(stream: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError("boom")

    thread = threading.Thread(target=fail, name="reactor")
    thread.start()
    thread.join(timeout=5)
    (line,) = lines(stream)
    assert (line["event"], line["where"]) == ("uncaught", "thread reactor")


def test_undoing_the_hooks_brings_the_former_ones_back(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    former = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    undo = logs.install_hooks()
    assert sys.excepthook is not former[0]
    undo()
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == former


@pytest.mark.parametrize("name", ["traceback", "stacks"])
def test_a_field_of_stacks_keeps_its_lines_and_its_end(stream: io.StringIO, name: str) -> None:
    logs.configure("INFO", "json", stream, secrets=[SECRET])
    text = "frame\n" * 500 + f"ValueError: {SECRET}"
    log.error("child_died", extra={name: text})
    (line,) = lines(stream)
    assert line[name].endswith("frame\nValueError: [secret]")
    assert len(line[name]) > 2_000


# Faults of a timestamp: rounded up it names a second, a day or a year that has not begun, or
# reads 23:59:60; without a fraction it has another length; local time passes for UTC.


@pytest.mark.parametrize(
    ("at", "timestamp"),
    [
        pytest.param("2026-10-05 12:00:00", "2026-10-05T12:00:00.000Z", id="whole second"),
        pytest.param("2026-10-05 12:00:00.000999", "2026-10-05T12:00:00.000Z", id="below 1 ms"),
        pytest.param("2026-10-05 12:00:00.9996", "2026-10-05T12:00:00.999Z", id="second's edge"),
        pytest.param("2026-10-05 23:59:59.999999", "2026-10-05T23:59:59.999Z", id="midnight"),
        pytest.param("2028-02-28 23:59:59.9996", "2028-02-28T23:59:59.999Z", id="before leap day"),
        pytest.param("2028-02-29 00:00:00", "2028-02-29T00:00:00.000Z", id="leap day begins"),
        pytest.param("2028-02-29 23:59:59.9996", "2028-02-29T23:59:59.999Z", id="leap day ends"),
        pytest.param("2026-12-31 23:59:59.9996", "2026-12-31T23:59:59.999Z", id="year end"),
        pytest.param("2027-01-01 00:00:00", "2027-01-01T00:00:00.000Z", id="new year"),
        pytest.param("2038-01-19 03:14:08", "2038-01-19T03:14:08.000Z", id="beyond 31 bits"),
        pytest.param("1970-01-01 00:00:00", "1970-01-01T00:00:00.000Z", id="clock never set"),
    ],
)
@pytest.mark.parametrize("offset_h", [0, 5.5, -11])
def test_a_timestamp_is_utc_in_milliseconds_and_never_ahead_of_the_clock(
    stream: io.StringIO, at: str, timestamp: str, offset_h: float
) -> None:
    logs.configure("INFO", "json", stream)
    with freeze_time(at, tz_offset=timedelta(hours=offset_h)):
        log.info("seen")
    assert lines(stream)[0]["timestamp"] == timestamp


def test_the_console_shows_the_same_time_of_day(stream: io.StringIO) -> None:
    logs.configure("INFO", "console", stream)
    for at in ("2026-12-31 23:59:59.9996", "2027-01-01 00:00:00"):
        with freeze_time(at, tz_offset=-5):
            log.info("seen")
    assert [line.split()[0] for line in stream.getvalue().splitlines()] == [
        "23:59:59.999",
        "00:00:00.000",
    ]


def test_a_clock_that_is_set_back_changes_no_order_and_loses_no_line(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream)
    with clocks(datetime(2026, 10, 5, 0, 30, tzinfo=UTC)) as held:
        log.info("before")
        held.step(-HOUR_S)
        log.info("after")
    assert [(line["event"], line["timestamp"]) for line in lines(stream)] == [
        ("before", "2026-10-05T00:30:00.000Z"),
        ("after", "2026-10-04T23:30:00.000Z"),
    ]


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - both are UTC
def test_every_timestamp_is_the_clock_cut_to_milliseconds(at: datetime) -> None:
    stream = io.StringIO()
    logs.configure("INFO", "json", stream)
    with freeze_time(at):
        log.info("seen")
    cut = at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
    written = lines(stream)[0]["timestamp"]
    assert datetime.fromisoformat(written) == cut
    assert len(written) == len("2026-10-05T12:00:00.000Z")


def test_of_one_event_300_lines_a_minute_are_written_and_the_others_counted(
    stream: io.StringIO,
) -> None:
    now = 100.0
    logs.configure("INFO", "json", stream, monotonic=lambda: now)
    for number in range(10_240):
        log.warning("feed_control", extra={"number": number})
        logging.getLogger("some.library").warning("number %d", number)
    log.info("batches_written")
    now = 159.9
    log.warning("feed_control")
    log.critical("giving_up")
    assert len(lines(stream)) == 300 + 300 + 1 + 1
    now = 160.0
    log.info("batches_written")
    log.warning("feed_control")
    omitted, *written = lines(stream)[602:]

    assert (omitted["event"], omitted["omitted"]) == ("lines_omitted", 2 * 9_940 + 1)
    assert omitted["events"] == {"feed_control": 9_941, "library_message": 9_940}
    assert [line["event"] for line in written] == ["batches_written", "feed_control"]


def test_critical_lines_are_written_however_many_there_are(stream: io.StringIO) -> None:
    logs.configure("INFO", "json", stream, monotonic=lambda: 100.0)
    for _ in range(1_000):
        log.critical("uncaught")
    assert len(lines(stream)) == 1_000


def test_a_document_is_without_secrets_however_they_are_written_in_json() -> None:
    secrets = ('pass"word\\', "пароль", "long enough", "long")
    scrubber = logs.Scrubber(secrets)
    document = {"reasons": [f"it is {each}!" for each in secrets], "n": 1, "none": None}
    kept = json.loads(scrubber.document(json.dumps(document, ensure_ascii=False).encode()))
    assert kept == {"reasons": ["it is [secret]!"] * 4, "n": 1, "none": None}


def test_a_line_for_people_is_one_line_without_secrets() -> None:
    stream = io.StringIO()
    logs.configure("INFO", "json", stream, secrets=["hunter2"])
    assert logs.for_people("one hunter2\n\x1b[2J two") == "one [secret]\\x0a\\x1b[2J two"
    logging.getLogger().handlers.clear()
    assert logs.for_people("postgresql://u:p@h/d") == "postgresql://[secret]"


def test_journald_is_told_the_priority_of_each_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "stderr").open("w+") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        logs.configure("DEBUG", "console", stream)
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(logging.getLogger("actors.x"), level)("event")
        logging.getLogger("actors.x").error("event", exc_info=raised(RuntimeError("two\nlines")))
        stream.seek(0)
        lines = stream.read().splitlines()

    assert [line[:3] for line in lines[:5]] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert len(lines) > 7
    assert {line[:3] for line in lines[5:]} == {"<3>"}


def test_what_is_not_journald_gets_no_priority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")  # of a parent that was started by systemd
    with (tmp_path / "stderr").open("w+") as stream:
        logs.configure("INFO", "json", stream)
        logging.getLogger("actors.x").info("event")
        stream.seek(0)
        assert stream.read().startswith("{")
