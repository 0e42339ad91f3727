import pytest

from actors.cli.status_table import figures_of
from actors.health.state import HealthState
from actors.messages import StoreOpened
from tests.health.health_samples import (
    START,
    WALL,
    codes,
    commit,
    document,
    sample,
    well,
)


def test_the_accounting_shows_what_waits_in_the_journal() -> None:
    health = well()
    commit(health, at=START + 2, stored=3, duplicates=2, rejected=1, watermark=4)
    sample(health, next_seq=8, weight_appended=10)
    said = document(health, START + 3)
    accounting = said.accounting
    assert (accounting.received, accounting.in_journal, accounting.balanced) == (10, 4, True)
    assert said.journal.pending_records == 4


def test_until_the_database_has_told_what_it_holds_what_waits_is_the_most_that_can_be() -> None:
    health = HealthState(version="1", host="here", pid=7, now=START, wall_ns=WALL)
    sample(health, next_seq=32_902, watermark=31_800, oldest_s=360.0)
    untold = document(health, START + 2).journal
    assert (untold.pending_records, untold.oldest_s, untold.at_most) == (1_102, 360.0, True)
    line = dict(figures_of(document(health, START + 2)))["journal"]
    said = "at most 1,102 records to store (oldest at most 6 min; not yet told by the database), "
    assert str(line).startswith(said)

    health.store_opened(StoreOpened(server="PostgreSQL 18"))
    sample(health, next_seq=32_902, watermark=32_900, oldest_s=1.0)
    told = document(health, START + 4).journal
    assert (told.pending_records, told.oldest_s, told.at_most) == (2, 1.0, False)
    health.store_lost(reason="gone", at=START + 5)
    assert not document(health, START + 6).journal.at_most


def test_what_is_released_before_its_commit_is_counted_unbalances_nothing() -> None:
    health = well()
    commit(health, at=START + 2, stored=6, watermark=4)
    sample(health, next_seq=8, weight_appended=10, watermark=8)
    said = document(health, START + 3)
    assert (said.accounting.balanced, said.journal.pending_records) == (True, 0)


def test_a_trade_that_vanished_unbalances_the_accounting() -> None:
    health = well()
    commit(health, at=START + 2, stored=9, watermark=8)
    sample(health, next_seq=8, weight_appended=10)
    assert codes(health, START + 3) == ("accounting_unbalanced",)


def test_a_trade_counted_twice_unbalances_the_accounting() -> None:
    health = well()
    commit(health, at=START + 2, stored=11, watermark=4)
    sample(health, next_seq=8, weight_appended=10)
    assert codes(health, START + 3) == ("accounting_unbalanced",)


def test_what_an_earlier_process_left_behind_is_balanced_by_its_own_column() -> None:
    health = well()
    commit(health, at=START + 2, stored=9, recovered=4, watermark=8)
    sample(health, next_seq=8, weight_appended=5)
    accounting = document(health, START + 3).accounting
    assert (accounting.recovered, accounting.in_journal, accounting.balanced) == (4, 0, True)


@pytest.mark.parametrize("told", [7, 13])
def test_a_writer_that_lost_count_is_settled_when_the_journal_is_empty(told: int) -> None:
    health = well()
    health.store_lost(reason="reset during commit", at=START + 1)
    health.store_opened(StoreOpened(server="x"))
    commit(health, at=START + 2, stored=told, watermark=4)
    sample(health, next_seq=8, weight_appended=10)
    assert document(health, START + 3).accounting.balanced
    commit(health, at=START + 4, watermark=8)
    sample(health, next_seq=8, weight_appended=10)
    accounting = document(health, START + 5).accounting
    assert (accounting.adjusted, accounting.in_journal, accounting.balanced) == (told - 10, 0, True)
    sample(health, next_seq=8, weight_appended=11)
    assert codes(health, START + 6) == ("accounting_unbalanced",)
