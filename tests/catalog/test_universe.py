from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.catalog.universe import Filters, Restored, Universe, fingerprint
from actors.model.market import Asset, Market, Shard
from actors.model.trade import ConditionId, TokenId


def market(number: int, **fields: object) -> Market:
    values: dict[str, object] = {
        "condition_id": ConditionId(f"0x{number:064x}"),
        "question": f"Question {number}?",
        "slug": f"market-{number}",
        "assets": tuple(
            Asset(token_id=TokenId(str(10 * number + side)), outcome=name, outcome_index=side)
            for side, name in enumerate(("Yes", "No"))
        ),
        "volume": Decimal(number),
    }
    return Market(**(values | fields))  # type: ignore[arg-type]


def ids_in_order(*numbers: int) -> list[ConditionId]:
    return [market(number).condition_id for number in numbers]


def ids(*numbers: int) -> set[str]:
    return {market(number).condition_id for number in numbers}


@pytest.mark.parametrize(
    ("filters", "fields", "admitted"),
    [
        (Filters(), {}, True),
        (Filters(min_volume=Decimal(10)), {"volume": Decimal("9.99")}, False),
        (Filters(min_volume=Decimal(10)), {"volume": Decimal(10)}, True),
        (Filters(min_volume=Decimal(10)), {"volume": None}, False),
        (Filters(), {"volume": None}, True),
        (Filters(tags=frozenset({"nba"})), {"tags": ("sports", "nba")}, True),
        (Filters(tags=frozenset({"nba"})), {"tags": ()}, False),
        (Filters(markets=frozenset({"market-1"})), {}, True),
        (Filters(markets=frozenset({market(1).condition_id})), {"slug": "other"}, True),
        (Filters(markets=frozenset({"market-2"})), {}, False),
        (Filters(shard=Shard(1, 3)), {}, True),
        (Filters(shard=Shard(2, 3)), {}, False),
        (
            Filters(markets=frozenset({"market-1"}), min_volume=Decimal(10)),
            {"volume": Decimal(1)},
            False,
        ),
    ],
)
def test_a_market_must_pass_every_filter(
    filters: Filters, fields: dict[str, object], admitted: bool
) -> None:
    assert filters.admits(market(1, **fields)) is admitted


def test_everything_but_the_volume_changes_the_fingerprint() -> None:
    plain = market(1)
    assert fingerprint(plain) == fingerprint(market(1, volume=Decimal(99)))
    for field, value in (
        ("question", "Other?"),
        ("closed", True),
        ("neg_risk", True),
        ("tags", ("a",)),
        ("assets", plain.assets[::-1]),
    ):
        assert fingerprint(plain) != fingerprint(market(1, **{field: value})), field


def test_a_market_is_added_once_then_same_then_changed() -> None:
    universe = Universe(Filters())
    assert universe.sweep([market(1)]).added == (market(1),)
    assert universe.sweep([market(1)]).same == (market(1),)
    new = market(1, question="Other?")
    assert universe.update([new]).changed == (new,)
    assert universe.update([new]).same == (new,)


def test_closed_and_inactive_markets_are_not_chosen_but_chosen_ones_may_close() -> None:
    universe = Universe(Filters())
    assert universe.sweep([market(1, closed=True), market(2, active=False)]).added == ()
    universe.sweep([market(3)])
    assert universe.update([market(3, closed=True)]).changed == (market(3, closed=True),)
    assert market(3).condition_id in universe


def test_what_closed_long_ago_is_released_once_and_is_not_chosen_again() -> None:
    universe = Universe(Filters(), closed_s=100.0)
    universe.sweep([market(1), market(2), market(3)])
    assert universe.release_closed(1_000.0) == ()
    universe.update([market(1, closed=True)])
    assert universe.release_closed(1_050.0) == ()
    universe.update([market(1, closed=True), market(2, closed=True)])
    assert universe.release_closed(1_099.0) == ()
    assert universe.release_closed(1_100.0) == (market(1).condition_id,)
    assert universe.release_closed(1_149.0) == ()
    assert universe.release_closed(1_150.0) == (market(2).condition_id,)

    assert len(universe) == 1
    assert universe.update([market(1, closed=True)]).added == ()
    assert universe.settle(ids_in_order(1)) == tuple(ids_in_order(1))


def test_a_market_that_opens_again_stays_or_comes_back() -> None:
    universe = Universe(Filters(), closed_s=100.0)
    universe.sweep([market(1), market(2)])
    universe.release_closed(0.0)
    universe.update([market(1, closed=True), market(2, closed=True)])
    universe.update([market(1)])
    assert universe.release_closed(500.0) == (market(2).condition_id,)
    assert universe.update([market(2)]).added == (market(2),)


def test_what_closes_before_the_first_tick_stays_as_long() -> None:
    universe = Universe(Filters(), closed_s=100.0)
    universe.sweep([market(1)])
    universe.update([market(1, closed=True)])
    assert universe.release_closed(1_000_000.0) == ()
    assert universe.release_closed(1_000_099.0) == ()
    assert universe.release_closed(1_000_100.0) == (market(1).condition_id,)


def test_a_restored_market_that_had_closed_before_it_was_seen_open_is_released_at_once() -> None:
    universe = Universe(Filters(), closed_s=100.0)
    universe.restore([market(1), market(2), market(3)])
    universe.release_closed(0.0)
    universe.sweep([market(2)])
    universe.update([market(1, closed=True), market(2, closed=True), market(3, closed=True)])
    universe.settle(ids_in_order(3))
    assert market(1).condition_id in universe
    assert universe.release_closed(1.0) == (market(1).condition_id,)
    assert universe.release_closed(2.0) == ()
    assert market(1).condition_id not in universe
    assert market(2).condition_id in universe
    assert universe.update([market(1)]).added == (market(1),)


def test_restored_markets_that_closed_take_no_place_and_come_back_when_they_open() -> None:
    universe = Universe(Filters(tags=frozenset({"nba"}), max_assets=2))
    closed, other, open_ = (
        market(1, closed=True, tags=("nba",)),
        market(2, closed=True),
        market(3, tags=("nba",)),
    )
    restored = universe.restore([closed, other, open_])
    assert restored == Restored(chosen=(open_,), closed=(closed,), rejected=(other,))
    universe = Universe(Filters())
    universe.restore([closed])
    assert universe.update([market(1, tags=("nba",))]).added == (market(1, tags=("nba",)),)


def test_what_settles_meanwhile_is_not_released_again() -> None:
    universe = Universe(Filters(), closed_s=100.0)
    universe.sweep([market(1)])
    universe.release_closed(0.0)
    universe.update([market(1, closed=True)])
    assert universe.settle(ids_in_order(1)) == tuple(ids_in_order(1))
    assert universe.release_closed(500.0) == ()


def test_what_could_not_be_stored_counts_as_changed_next_time() -> None:
    universe = Universe(Filters())
    universe.sweep([market(1)])
    universe.not_stored([market(1)])
    assert universe.sweep([market(1)]).changed == (market(1),)
    assert universe.sweep([market(1)]).same == (market(1),)


def test_what_a_sweep_did_not_list_is_missing_until_it_is_called_closed() -> None:
    universe = Universe(Filters())
    universe.sweep([market(1), market(2), market(3)])
    universe.end_sweep(complete=True)
    assert universe.missing() == ()
    universe.sweep([market(1)])
    universe.end_sweep(complete=True)
    assert set(universe.missing()) == ids(2, 3)
    universe.update([market(2, closed=True)])
    universe.sweep([market(1)])
    universe.end_sweep(complete=True)
    assert set(universe.missing()) == ids(3)


def test_a_market_that_moved_between_pages_is_chosen_once() -> None:
    universe = Universe(Filters(max_assets=8))
    universe.sweep([market(5), market(4)])
    universe.sweep([market(4), market(3)])
    assert universe.end_sweep(complete=True) == (market(5), market(4), market(3))


def test_of_equal_volumes_the_market_listed_first_is_chosen() -> None:
    universe = Universe(Filters(max_assets=2))
    same = {"volume": Decimal(1)}
    universe.sweep([market(1, **same), market(2, **same)])
    assert universe.end_sweep(complete=True) == (market(1, **same),)


def test_after_a_sweep_that_ended_early_new_markets_wait_for_the_next() -> None:
    universe = Universe(Filters(max_assets=2))
    universe.sweep([market(5)])
    assert universe.can_end_sweep
    universe.end_sweep(complete=False)
    universe.settle([market(5).condition_id])
    assert universe.has_free_places
    assert universe.update([market(1)]).added == ()


def test_restored_markets_take_places_first_and_the_rest_is_rejected() -> None:
    universe = Universe(Filters(max_assets=4))
    restored = universe.restore([market(1), market(2), market(3)])
    assert restored == Restored(chosen=(market(1), market(2)), rejected=(market(3),))
    universe.sweep([market(100)])
    assert universe.end_sweep(complete=True) == ()


def test_restored_markets_that_settled_meanwhile_stay_away() -> None:
    universe = Universe(Filters())
    universe.settle([market(1).condition_id])
    assert universe.restore([market(1)]) == Restored()


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("sweep"), st.lists(st.integers(0, 30), max_size=12)),
        st.tuples(st.just("end"), st.just([])),
        st.tuples(st.just("update"), st.lists(st.integers(0, 30), max_size=4)),
        st.tuples(st.just("settle"), st.lists(st.integers(0, 30), max_size=3)),
        st.tuples(st.just("restore"), st.lists(st.integers(0, 30), max_size=3)),
    ),
    max_size=40,
)


@example(operations=[("sweep", [0]), ("restore", [0]), ("end", [])], max_assets=4)
@given(OPERATIONS, st.integers(0, 12))
def test_the_changes_add_up_to_the_universe_and_the_limit_holds(
    operations: list[tuple[str, list[int]]], max_assets: int
) -> None:
    universe = Universe(Filters(max_assets=max_assets))
    watched: set[str] = set()
    settled: set[str] = set()
    for what, numbers in operations:
        markets = [market(number) for number in numbers]
        if what == "sweep":
            added = universe.sweep(markets).added
        elif what == "end":
            added = universe.end_sweep(complete=True)
            universe.missing()
        elif what == "update":
            added = universe.update(markets).added
        elif what == "restore":
            added = universe.restore(markets).chosen
        else:
            added = ()
            gone = universe.settle([each.condition_id for each in markets])
            settled |= set(gone)
            watched -= set(gone)
        new = {each.condition_id for each in added}
        assert not new & watched, "no market is added twice"
        assert not new & settled, "what settled never comes back"
        watched |= new
        assert len(universe) == len(watched)
        assert all(each in universe for each in watched)
        assert max_assets == 0 or 2 * len(universe) <= max_assets


@given(st.permutations(range(40)), st.integers(1, 50))
def test_the_largest_are_chosen_in_whatever_order_they_are_listed(
    order: list[int], places: int
) -> None:
    universe = Universe(Filters(max_assets=2 * places))
    for start in range(0, 40, 7):
        page = [market(number) for number in order[start : start + 7]]
        assert universe.sweep(page).added == ()
    chosen = [int(each.condition_id, 16) for each in universe.end_sweep(complete=True)]
    assert chosen == sorted(range(40), reverse=True)[:places]


def test_a_listing_without_end_fills_a_bounded_number_of_places() -> None:
    universe = Universe(Filters(), most=3)
    first = universe.sweep(market(number) for number in (1, 2))
    second = universe.sweep(market(number) for number in (3, 4, 5))
    assert [len(first.added), len(second.added), len(universe)] == [2, 1, 3]
    said = "more than 3 markets are listed: 2 have no place, since the process may open too few"
    assert universe.overflow == f"{said} files"
    assert universe.announce(market(6, active=False)).added == ()
    assert universe.update([market(7)]).added == ()

    universe.end_sweep(complete=True)
    assert universe.missing() == ()
    assert universe.overflow  # until a sweep has found a place for each
    universe.settle(ids_in_order(1))
    assert universe.sweep([market(2), market(3), market(4)]).added == (market(4),)
    universe.end_sweep(complete=True)
    assert universe.overflow == ""


def test_what_is_listed_and_not_chosen_is_not_remembered() -> None:
    universe = Universe(Filters(), most=1)
    universe.sweep(market(number) for number in range(1, 1_000))
    assert len(universe._listed) == 1


# --------------------------------------------------------- names that no market has


def filters_state(universe: Universe) -> str:
    return dict(universe.states())["filters"]


def test_names_that_no_market_has_are_told_once_after_a_complete_sweep() -> None:
    universe = Universe(Filters(markets=frozenset({"market-1", "markt-2"})))
    universe.sweep([market(1)])
    assert (filters_state(universe), universe.take_unmatched()) == ("ok", "")
    universe.end_sweep(complete=False)
    assert (filters_state(universe), universe.take_unmatched()) == ("ok", "")
    universe.sweep([market(1)])
    universe.end_sweep(complete=True)
    missing = "no open market is named markt-2"
    assert (filters_state(universe), universe.take_unmatched()) == (missing, missing)
    assert (filters_state(universe), universe.take_unmatched()) == (missing, "")
    universe.update([market(2, slug="markt-2")])  # it begins later
    assert filters_state(universe) == "ok"


def test_a_name_counts_as_found_whatever_keeps_its_market_from_being_watched() -> None:
    names = frozenset({"market-1", market(2).condition_id})
    universe = Universe(
        Filters(markets=names, tags=frozenset({"nba", "nbb"}), min_volume=Decimal(100))
    )
    universe.sweep([market(1), market(2, tags=("nba",))])
    universe.end_sweep(complete=True)
    assert len(universe) == 0
    assert universe.take_unmatched() == "no open market of that volume has the tag nbb"


def test_a_stored_market_counts_as_found() -> None:
    universe = Universe(Filters(markets=frozenset({"market-1"})))
    universe.restore([market(1, closed=True)])
    universe.end_sweep(complete=True)
    assert universe.take_unmatched() == ""


def test_of_many_names_that_no_market_has_some_are_told() -> None:
    universe = Universe(Filters(tags=frozenset(f"tag-{number}" for number in range(8))))
    universe.end_sweep(complete=True)
    assert universe.take_unmatched() == (
        "no open market has the tag tag-0, tag-1, tag-2, tag-3, tag-4 and 3 more"
    )


def test_what_was_chosen_around_its_end_is_released_when_it_is_found_closed() -> None:
    universe = Universe(Filters(), closed_s=100)
    universe.release_closed(0.0)
    universe.sweep([market(1), market(2)])
    universe.late(ids_in_order(1))
    universe.update([market(1), market(2)])  # an old answer calls it open still
    assert universe.release_closed(1.0) == ()
    universe.update([market(1, closed=True), market(2, closed=True)])
    assert universe.release_closed(2.0) == tuple(ids_in_order(1))
    assert universe.release_closed(101.0) == tuple(ids_in_order(2))


def test_what_was_chosen_around_its_end_and_goes_on_stays() -> None:
    universe = Universe(Filters(), closed_s=100)
    universe.sweep([market(1)])
    universe.late(ids_in_order(1))
    universe.update([market(1)])
    assert universe.release_closed(1_000.0) == ()
    assert market(1).condition_id in universe
