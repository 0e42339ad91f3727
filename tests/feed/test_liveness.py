import pytest

from actors.feed.coverage import CoverageBook
from actors.feed.liveness import Liveness
from actors.model.connection import GapCause, gap_cause
from actors.model.trade import TokenId
from tests.fakes import FakeSocket

TOKEN = TokenId("1")


class Seen(FakeSocket):
    """A socket with the times at which something was received last."""

    def __init__(self, *, byte: float = 0.0, data: float = 0.0, stalled: float = 0.0) -> None:
        super().__init__(lambda *_: None, lambda *_: None)
        self.last_byte_at = byte
        self.last_data_at = data
        self.stalled_since = stalled


def subscribed(*, at: float = 100.0, give_up_s: float | None = 60.0) -> Liveness:
    liveness = Liveness(give_up_s=give_up_s)
    liveness.subscribed(at)
    return liveness


def confirmed(*, books: int = 1) -> CoverageBook:
    coverage = CoverageBook(7)
    coverage.add_requested([TOKEN], 100.0)
    for _ in range(books):
        coverage.add_book(TOKEN, 1)
    return coverage


def judge(
    liveness: Liveness, now: float, socket: Seen, coverage: CoverageBook | None = None
) -> str | None:
    """Return the reason after two Ticks in a row."""
    coverage = coverage or confirmed()
    liveness.reason_to_end(now, socket, coverage)
    return liveness.reason_to_end(now, socket, coverage)


def test_a_socket_that_receives_data_is_kept() -> None:
    assert judge(subscribed(), 1_000.0, Seen(byte=999.0, data=999.0)) is None


def test_nothing_is_judged_before_the_subscription() -> None:
    assert judge(Liveness(), 1_000.0, Seen()) is None


@pytest.mark.parametrize(
    ("socket", "last_good", "reason"),
    [
        (Seen(byte=200.0, data=200.0), 215.0, "dead_transport"),
        (Seen(), 115.0, "dead_transport"),
        (Seen(byte=1e9, data=200.0), 260.0, "frozen"),
        (Seen(byte=1e9), 160.0, "frozen"),
        (Seen(byte=1e9, data=200.0, stalled=200.0), 210.0, "stalled_frame"),
    ],
    ids=["no byte", "never a byte", "pongs only", "never data", "half a frame"],
)
def test_each_kind_of_silence_has_its_reason_in_time(
    socket: Seen, last_good: float, reason: str
) -> None:
    assert judge(subscribed(), last_good - 0.1, socket) is None
    assert judge(subscribed(), last_good, socket) == reason


def test_a_frame_that_drips_is_stalled_although_bytes_arrive() -> None:
    assert (
        judge(subscribed(), 210.0, Seen(byte=210.0, data=205.0, stalled=200.0)) == "stalled_frame"
    )


def test_no_book_is_missed_while_a_large_frame_arrives() -> None:
    socket = Seen(byte=1e9, data=1e9, stalled=129.0)
    socket.unfinished_bytes = 100_000
    assert judge(subscribed(), 135.0, socket, confirmed(books=0)) is None
    socket.unfinished_bytes = 100
    assert judge(subscribed(), 135.0, socket, confirmed(books=0)) == "no_books"


def test_a_frame_that_is_too_slow_to_count_as_data_is_stalled_not_frozen() -> None:
    socket = Seen(byte=1e9, data=100.0, stalled=159.0)
    assert judge(subscribed(), 159.9, socket) is None
    assert judge(subscribed(), 160.0, socket) == "stalled_frame"


def test_a_subscription_without_any_book_ends_the_connection() -> None:
    socket = Seen(byte=1e9, data=1e9)
    assert judge(subscribed(), 129.9, socket, confirmed(books=0)) is None
    assert judge(subscribed(), 130.0, socket, confirmed(books=0)) == "no_books"


def test_a_connection_without_tokens_needs_no_book() -> None:
    assert judge(subscribed(), 150.0, Seen(byte=150.0, data=110.0), CoverageBook(7)) is None


def test_any_book_is_enough_that_of_a_canary_too() -> None:
    coverage = confirmed(books=0)
    coverage.add_book(TokenId("99"), 1)
    assert judge(subscribed(), 150.0, Seen(byte=150.0, data=149.0), coverage) is None


def test_a_process_that_was_stopped_does_not_end_its_connections_at_once() -> None:
    liveness, coverage = subscribed(), confirmed()
    assert liveness.reason_to_end(120.0, Seen(byte=120.0, data=120.0), coverage) is None
    assert liveness.reason_to_end(900.0, Seen(byte=120.0, data=120.0), coverage) is None
    assert liveness.reason_to_end(901.0, Seen(byte=900.1, data=900.1), coverage) is None
    assert liveness.reason_to_end(990.0, Seen(byte=900.1, data=900.1), coverage) is None
    assert liveness.reason_to_end(991.0, Seen(byte=900.1, data=900.1), coverage) == "dead_transport"


def test_ping_is_due_every_ten_seconds_after_the_subscription_and_never_before() -> None:
    liveness = Liveness()
    assert not liveness.ping_due(1_000.0)
    liveness.subscribed(1_000.0)
    due = [now for now in range(1_000, 1_035) if liveness.ping_due(float(now))]
    assert due == [1_010, 1_020, 1_030]


def test_ping_keeps_coming_when_more_tokens_are_subscribed() -> None:
    liveness = subscribed(at=0.0)
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
        "rejected",
        "not_discovered",
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


def test_while_the_exchange_is_silent_silence_is_no_reason() -> None:
    liveness, socket = subscribed(), Seen(byte=1e9)
    for now in (200.0, 201.0, 202.0):
        assert liveness.reason_to_end(now, socket, confirmed(), exchange_silent=True) is None
        assert liveness.reason_to_end(now, socket, confirmed(books=0), exchange_silent=True) is None
    assert judge(liveness, 203.0, Seen(), confirmed()) == "dead_transport"


def test_a_socket_that_receives_data_is_checked_when_ping_is_due() -> None:
    liveness = subscribed(at=100.0)
    assert liveness.wakes_at(Seen(byte=104.0, data=104.0)) == 110.0
    assert liveness.ping_due(111.0)
    assert liveness.wakes_at(Seen(byte=112.0, data=112.0)) == 121.0


def test_a_socket_without_a_byte_is_checked_when_that_ends_it() -> None:
    liveness = subscribed(at=100.0)
    assert liveness.ping_due(112.0)
    assert liveness.wakes_at(Seen(byte=101.0, data=101.0)) == 116.0


def test_a_suspected_stalled_or_unsubscribed_connection_is_checked_on_every_tick() -> None:
    liveness = subscribed(at=100.0)
    assert liveness.reason_to_end(116.0, Seen(byte=100.0, data=100.0), confirmed()) is None
    suspected = liveness.wakes_at(Seen(byte=116.0, data=116.0))
    stalled = subscribed().wakes_at(Seen(byte=101.0, data=101.0, stalled=101.0))

    assert (suspected, stalled, Liveness().wakes_at(Seen())) == (0.0, 0.0, 0.0)


def test_a_connection_with_tokens_is_never_given_up_for_silence_alone() -> None:
    liveness, coverage = subscribed(give_up_s=None), confirmed()
    for now in range(110, 4_000, 10):
        assert judge(liveness, float(now), Seen(byte=float(now), data=100.0), coverage) is None


def test_one_that_is_shown_to_be_frozen_ends_on_the_second_tick_whoever_else_is_silent() -> None:
    liveness, coverage = subscribed(give_up_s=None), confirmed()
    for silent in (False, True):
        reasons = [
            liveness.reason_to_end(
                now, Seen(byte=now, data=100.0), coverage, frozen=True, exchange_silent=silent
            )
            for now in (150.0, 151.0)
        ]
        assert reasons[-1] == "frozen"
