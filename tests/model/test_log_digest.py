"""Lines about what happens often come seldom and leave nothing out."""

from actors.model.log_digest import LogDigest
from actors.model.storage import Committed
from actors.writer.notify import CommitSummary

S = 1_000_000_000


def committed(stored: int = 0, duplicates: int = 0, rejected: int = 0) -> Committed:
    return Committed(stored=stored, duplicates=duplicates, rejected=rejected, watermark=1)


def test_the_first_line_is_due_at_once_and_the_next_after_the_span() -> None:
    digest = LogDigest(every_s=10)
    digest.count(["a"])
    assert digest.take(100.0) == {"a": 1}

    digest.count(["a", "b", "a"])
    assert digest.take(109.9) == {}
    assert digest.take(110.0) == {"a": 2, "b": 1}


def test_nothing_is_logged_when_nothing_happened() -> None:
    digest = LogDigest(every_s=10)

    assert digest.take(100.0) == {}
    digest.count(["late"])
    assert digest.take(101.0) == {"late": 1}


def test_the_last_chance_does_not_wait() -> None:
    digest = LogDigest(every_s=10)
    digest.count(["a"])
    digest.take(100.0)
    digest.count(["b"])

    assert digest.take(100.1, at_once=True) == {"b": 1}


def test_names_from_outside_are_bounded_and_none_goes_uncounted() -> None:
    digest = LogDigest(every_s=10, names_max=2)
    digest.count(["a", "b", "c", "d", "a"])

    assert digest.take(0.0) == {"a": 2, "other": 2, "b": 1}


def test_transactions_are_summed_up_with_the_longest_wait() -> None:
    written = CommitSummary(every_s=10)
    written.add(committed(stored=3), oldest_received_ns=1 * S, wall_ns=3 * S)
    written.add(committed(duplicates=2, rejected=1), oldest_received_ns=4 * S, wall_ns=5 * S)

    assert written.take(100.0) == {
        "batches": 2,
        "stored": 3,
        "duplicates": 2,
        "rejected": 1,
        "lag_s": 2.0,
    }
    assert written.take(200.0) == {}


def test_transactions_in_between_wait_for_the_next_line() -> None:
    written = CommitSummary(every_s=10)
    written.add(committed(stored=1), oldest_received_ns=S, wall_ns=S)
    written.take(100.0)
    written.add(committed(stored=5), oldest_received_ns=S, wall_ns=S)

    assert written.take(109.0) == {}
    assert written.take(110.0)["stored"] == 5


def test_a_transaction_of_facts_alone_makes_no_line() -> None:
    written = CommitSummary(every_s=10)
    written.add(committed(), oldest_received_ns=0, wall_ns=S)

    assert written.take(100.0) == {}


def test_a_trade_from_after_the_last_tick_has_not_waited_at_all() -> None:
    written = CommitSummary(every_s=10)
    written.add(committed(stored=1), oldest_received_ns=2 * S, wall_ns=1 * S)

    assert written.take(0.0)["lag_s"] == 0.0


def test_rejections_alone_have_no_lag() -> None:
    written = CommitSummary(every_s=10)
    written.add(committed(rejected=1), oldest_received_ns=0, wall_ns=50 * S)

    assert written.take(0.0) == {
        "batches": 1, "stored": 0, "duplicates": 0, "rejected": 1, "lag_s": 0.0,
    }  # fmt: skip
