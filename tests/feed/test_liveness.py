import pytest

from actors.feed.coverage import CoverageBook
from actors.feed.liveness import Liveness
from actors.model.connection import GapCause, gap_cause
from actors.model.trade import TokenId

TOKEN = TokenId("1")


class Seen:
    """A line as the judge sees it."""

    def __init__(self, *, byte: float = 0.0, data: float = 0.0, stalled: float = 0.0) -> None:
        self.last_byte_at = byte
        self.last_data_at = data
        self.stalled_since = stalled


def judge(*, at: float = 100.0, silence_s: float = 60.0) -> Liveness:
    liveness = Liveness(silence_s=silence_s)
    liveness.subscribed(at)
    return liveness


def listening(*, books: int = 1) -> CoverageBook:
    heard = CoverageBook(7)
    heard.requested([TOKEN], 100.0)
    for _ in range(books):
        heard.book(TOKEN, 1)
    return heard


def ask(
    liveness: Liveness, now: float, line: Seen, heard: CoverageBook | None = None
) -> str | None:
    """Return what two Ticks in a row say."""
    heard = heard or listening()
    liveness.verdict(now, line, heard)
    return liveness.verdict(now, line, heard)


def test_a_line_that_tells_data_lives() -> None:
    assert ask(judge(), 1_000.0, Seen(byte=999.0, data=999.0)) is None


def test_nothing_is_judged_before_the_subscription() -> None:
    assert ask(Liveness(), 1_000.0, Seen()) is None


@pytest.mark.parametrize(
    ("line", "last_good", "reason"),
    [
        (Seen(byte=200.0, data=200.0), 215.0, "dead_transport"),
        (Seen(), 115.0, "dead_transport"),
        (Seen(byte=1e9, data=200.0), 260.0, "frozen"),
        (Seen(byte=1e9), 160.0, "frozen"),
        (Seen(byte=1e9, data=200.0, stalled=200.0), 210.0, "stalled_frame"),
    ],
    ids=["no byte", "never a byte", "pongs only", "never data", "half a frame"],
)
def test_silence_is_called_by_its_name_and_in_time(
    line: Seen, last_good: float, reason: str
) -> None:
    assert ask(judge(), last_good - 0.1, line) is None
    assert ask(judge(), last_good, line) == reason


def test_a_pong_is_no_data() -> None:
    liveness = judge(at=0.0)
    for now in range(10, 60, 10):
        assert ask(liveness, float(now), Seen(byte=float(now), data=0.0)) is None
    assert ask(liveness, 60.0, Seen(byte=60.0, data=0.0)) == "frozen"


def test_a_frame_that_drips_is_stalled_although_bytes_arrive() -> None:
    assert ask(judge(), 210.0, Seen(byte=210.0, data=205.0, stalled=200.0)) == "stalled_frame"


def test_a_subscription_without_any_book_is_given_up() -> None:
    line = Seen(byte=1e9, data=1e9)
    assert ask(judge(), 129.9, line, listening(books=0)) is None
    assert ask(judge(), 130.0, line, listening(books=0)) == "no_books"


def test_a_connection_that_asked_for_no_token_needs_no_book() -> None:
    assert ask(judge(), 150.0, Seen(byte=150.0, data=110.0), CoverageBook(7)) is None


def test_any_book_will_do_that_of_a_canary_too() -> None:
    heard = listening(books=0)
    heard.book(TokenId("99"), 1)
    assert ask(judge(), 150.0, Seen(byte=150.0, data=149.0), heard) is None


def test_how_long_silence_may_last_is_a_setting() -> None:
    line = Seen(byte=1e9, data=100.0)
    assert ask(judge(silence_s=600.0), 699.0, line) is None
    assert ask(judge(silence_s=600.0), 700.0, line) == "frozen"


def test_a_process_that_was_stopped_does_not_condemn_its_lines_at_once() -> None:
    liveness, heard = judge(), listening()
    assert liveness.verdict(120.0, Seen(byte=120.0, data=120.0), heard) is None
    assert liveness.verdict(900.0, Seen(byte=120.0, data=120.0), heard) is None
    assert liveness.verdict(901.0, Seen(byte=900.1, data=900.1), heard) is None
    assert liveness.verdict(990.0, Seen(byte=900.1, data=900.1), heard) is None
    assert liveness.verdict(991.0, Seen(byte=900.1, data=900.1), heard) == "dead_transport"


def test_ping_is_due_every_ten_seconds_after_the_subscription_and_never_before() -> None:
    liveness = Liveness()
    assert not liveness.ping_due(1_000.0)
    liveness.subscribed(1_000.0)
    due = [now for now in range(1_000, 1_035) if liveness.ping_due(float(now))]
    assert due == [1_010, 1_020, 1_030]


def test_ping_keeps_coming_when_more_tokens_are_subscribed() -> None:
    liveness = judge(at=0.0)
    liveness.subscribed(9.0)
    assert liveness.ping_due(10.0)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("dead_transport", "disconnected"),
        ("frozen", "frozen"),
        ("stalled_frame", "frozen"),
        ("no_books", "never_confirmed"),
        ("closed_1013", "disconnected"),
        ("reset", "disconnected"),
        ("protocol", "disconnected"),
        ("", "disconnected"),
        ("journal_full", "disk_full"),
        *((cause.value, cause.value) for cause in GapCause),
    ],
)
def test_every_end_has_a_cause_of_the_closed_list(reason: str, cause: str) -> None:
    assert gap_cause(reason) == cause


def test_the_list_of_causes_is_closed() -> None:
    assert {cause.value for cause in GapCause} == {
        "never_confirmed",
        "disconnected",
        "frozen",
        "deaf",
        "process_down",
        "disk_full",
        "exchange_silent",
        "clock_step",
    }


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("frozen", "exchange_silent"),
        ("reset", "exchange_silent"),
        ("stopped", "process_down"),
        ("disk_full", "disk_full"),
    ],
)
def test_while_the_exchange_is_silent_that_is_the_cause_of_what_is_not_our_doing(
    reason: str, cause: str
) -> None:
    assert gap_cause(reason, exchange_silent=True) == cause


def test_a_silent_line_is_probed_once_before_it_is_given_up() -> None:
    liveness, line = judge(at=100.0), Seen(byte=1e9, data=200.0)
    assert [now for now in range(200, 300) if liveness.probe_due(float(now), line)] == [250]


def test_a_line_that_answers_the_probe_is_probed_again_in_the_next_silence() -> None:
    liveness, line = judge(at=100.0), Seen(byte=1e9, data=200.0)
    probes = []
    for now in range(200, 420):
        if liveness.probe_due(float(now), line):
            probes.append(now)
            line.last_data_at = now + 0.2
        assert liveness.verdict(float(now), line, listening()) is None
    assert probes == [250, 301, 352, 403]


@pytest.mark.parametrize(("silence_s", "probed", "ended"), [(5.0, 3, 6), (60.0, 50, 61)])
def test_a_failed_probe_is_noticed_within_the_silence_and_5_s(
    silence_s: float, probed: int, ended: int
) -> None:
    liveness, line = judge(at=100.0, silence_s=silence_s), Seen(byte=1e9, data=100.0)
    probes, verdicts = [], []
    for after in range(70):
        if liveness.probe_due(100.0 + after, line):
            probes.append(after)
        if liveness.verdict(100.0 + after, line, listening()):
            verdicts.append(after)
    assert (probes, verdicts[0]) == ([probed], ended)
    assert ended <= silence_s + 5


def test_a_line_is_not_given_up_before_its_probe_could_be_answered() -> None:
    liveness, line = judge(at=100.0), Seen(byte=1e9, data=200.0)
    assert liveness.probe_due(900.0, line)
    assert ask(liveness, 904.0, line) is None
    assert ask(liveness, 905.0, line) == "frozen"


@pytest.mark.parametrize(("data_at", "lost"), [(150.5, False), (159.5, False), (161.5, True)])
def test_data_that_comes_after_a_probe_should_have_been_answered_tells_of_a_loss(
    data_at: float, lost: bool
) -> None:
    liveness, line = judge(at=100.0), Seen(byte=1e9, data=100.0)
    said = []
    for now in range(140, 200):
        line.last_data_at = data_at if now >= data_at else 100.0
        liveness.probe_due(float(now), line)
        said.append(liveness.resumed(float(now), line))
    assert said.count(True) == (1 if lost else 0)


def test_nothing_is_probed_before_the_subscription() -> None:
    assert not Liveness().probe_due(1_000.0, Seen())


def test_while_the_exchange_is_silent_silence_is_no_reason() -> None:
    liveness, line = judge(), Seen(byte=1e9)
    for now in (200.0, 201.0, 202.0):
        assert liveness.verdict(now, line, listening(), exchange_silent=True) is None
        assert liveness.verdict(now, line, listening(books=0), exchange_silent=True) is None
    assert ask(liveness, 203.0, Seen(), listening()) == "dead_transport"


def test_a_line_that_tells_data_is_looked_at_when_ping_is_due() -> None:
    liveness = judge(at=100.0)
    assert liveness.wakes_at(Seen(byte=104.0, data=104.0)) == 110.0
    assert liveness.ping_due(111.0)
    assert liveness.wakes_at(Seen(byte=112.0, data=112.0)) == 121.0


def test_a_silent_line_is_looked_at_when_its_probe_is_due_and_then_always() -> None:
    liveness = judge(at=100.0, silence_s=12.0)
    line = Seen(byte=101.0, data=101.0)
    assert liveness.wakes_at(line) == 107.0
    assert liveness.probe_due(107.0, line)
    assert liveness.wakes_at(line) <= 107.0


def test_a_line_without_a_byte_is_looked_at_when_that_is_death() -> None:
    liveness = judge(at=100.0)
    assert liveness.ping_due(112.0)
    assert liveness.wakes_at(Seen(byte=101.0, data=101.0)) == 116.0


def test_who_is_suspected_or_stalled_or_has_not_begun_is_looked_at_always() -> None:
    liveness = judge(at=100.0)
    assert liveness.verdict(116.0, Seen(byte=100.0, data=100.0), listening()) is None
    suspected = liveness.wakes_at(Seen(byte=116.0, data=116.0))
    stalled = judge().wakes_at(Seen(byte=101.0, data=101.0, stalled=101.0))

    assert (suspected, stalled, Liveness().wakes_at(Seen())) == (0.0, 0.0, 0.0)
