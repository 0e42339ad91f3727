"""What ranges of coverage become when more listening is final: compared with sets of seconds."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from actors.database.upkeep.ranges import Range, join, spans

ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: int) -> datetime:
    return ZERO + timedelta(seconds=second)


def part(since: int, until: int, seq: int = 10, *, token: int = 1, cause: str = "frozen") -> Range:
    """Return listening that ended with this sequence and was known at once."""
    return Range(token, at(since), at(until), at(since), seq // 10, seq, seq + 1, cause)


def add(stored: list[Range], *parts: Range) -> list[Range]:
    """Return what is stored after these parts were joined, as the database does it."""
    touched = []
    for token, since, until in spans(parts):
        of_token = sorted(each for each in stored if each.asset_key == token)
        before = [each for each in of_token if each.from_at <= since][-1:]
        within = [each for each in of_token if since < each.from_at <= until]
        touched += before + within
    changes = join(parts, touched)
    kept = {(each.asset_key, each.from_at): each for each in stored}
    for each in changes.deleted:
        del kept[each.asset_key, each.from_at]
    kept |= {(each.asset_key, each.from_at): each for each in changes.upserted}
    return sorted(kept.values())


def test_listening_of_two_feeds_that_overlaps_is_one_range_with_the_last_end() -> None:
    stored = add([], part(0, 10, 20), part(5, 30, 40, cause="moved"))
    assert stored == [part(5, 30, 40, cause="moved")._replace(from_at=at(0), known_at=at(0))]


def test_an_interruption_leaves_two_ranges_with_their_causes() -> None:
    stored = add(add([], part(0, 10)), part(11, 20, 50, cause="disconnected"))
    assert [(each.from_at, each.cause) for each in stored] == [
        (at(0), "frozen"),
        (at(11), "disconnected"),
    ]


def test_what_comes_between_two_ranges_joins_them() -> None:
    stored = add(add([], part(0, 10, 20), part(20, 30, 60)), part(9, 21, 40))
    assert stored == [part(20, 30, 60)._replace(from_at=at(0), known_at=at(0))]


def test_of_two_ends_at_one_time_the_later_record_gives_the_cause() -> None:
    (only,) = add(add([], part(0, 10, 40, cause="deaf")), part(2, 10, 20, cause="frozen"))
    assert only.cause == "deaf"


def test_a_part_that_came_late_says_when_the_range_was_known_as_a_whole() -> None:
    late = part(5, 20, 40)._replace(known_at=at(10_000))
    (only,) = add(add([], part(0, 10)), late)
    assert only.known_at == at(10_000)
    (only,) = add([only], part(15, 40, 60))
    assert only.known_at == at(10_000)


def test_an_end_without_a_beginning_leaves_nothing() -> None:
    assert add([], part(5, 5, 10)._replace(released_seq=10)) == []


def test_a_connection_that_comes_and_goes_without_a_proof_adds_no_row_each_time() -> None:
    stored = add([], part(0, 10, 20))
    for number in range(2, 50):
        stored = add(stored, part(10 * number, 10 * number, 10 * number))
    assert [each.from_at for each in stored] == [at(0), at(490)]


def test_since_when_a_market_was_overlooked_is_kept() -> None:
    overlooked = part(0, 0, 10, cause="not_discovered")
    stored = add(add([], overlooked), part(7, 7, 20))
    assert stored == [overlooked, part(7, 7, 20)]


PARTS = st.lists(
    st.builds(
        lambda since, length, token: (since, since + length, token),
        st.integers(0, 40),
        st.integers(0, 12),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=14,
)


@given(PARTS, st.randoms(use_true_random=False))
def test_whatever_the_order_ranges_cover_the_seconds_of_their_parts(
    told: list[tuple[int, int, int]], rng: random.Random
) -> None:
    parts = [
        part(since, until, 10 * number + 10, token=token)
        for number, (since, until, token) in enumerate(told)
    ]
    seconds = {(each, token) for since, until, token in told for each in range(since, until)}
    rng.shuffle(parts)
    stored: list[Range] = []
    while parts:
        several = rng.randint(1, 4)
        stored, parts = add(stored, *parts[:several]), parts[several:]
    covered = [
        (second, each.asset_key)
        for each in stored
        for second in range((each.from_at - ZERO).seconds, (each.until_at - ZERO).seconds)
    ]
    assert len(covered) == len(set(covered))
    assert set(covered) == seconds
    ends = {(each.asset_key, each.until_at, each.cause) for each in stored}
    assert len(ends) == len(stored)  # no two ranges of a token touch
