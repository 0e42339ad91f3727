"""The supervisor, unstarted: deaths, restarts, and when the process ends instead."""

from actors.errors import JournalFailed
from actors.messages import ChildDied, ConnectionEnded, Retire, Tick
from actors.model import facts
from tests.actor_harness import SLOT, House
from tests.fakes_box import drain


def closed(house: House) -> list[facts.ListeningClosed]:
    return house.facts(facts.ListeningClosed)


# ------------------------------------------------------------------- expected


def test_a_connection_that_ends_as_expected_is_restarted_after_a_backoff() -> None:
    house = House().begin(1)
    house.end(SLOT, "disconnected")
    house.tick(0.25)
    assert house.incarnation(SLOT) == 1

    house.tick(1.0)
    assert house.incarnation(SLOT) == 2
    assert house.fatal == []
    assert house.health().restarts.total == 0


def test_backoff_doubles_to_a_minute_and_never_gives_up() -> None:
    house = House().begin(1)
    for _ in range(12):
        starts = house.incarnation(SLOT)
        house.end(SLOT, "http_503")
        house.tick(1)
        for _ in range(61):
            if house.incarnation(SLOT) == starts:
                house.tick(1)
        assert house.incarnation(SLOT) == starts + 1

    assert house.fatal == []


def test_the_wait_that_a_server_asked_for_is_honoured() -> None:
    house = House().begin(1)
    house.end(SLOT, "http_429", retry_after_s=30)
    house.ticks(30)
    assert house.incarnation(SLOT) == 1

    house.tick(1.1)
    assert house.incarnation(SLOT) == 2


def test_an_end_that_was_reported_closes_no_epoch_twice() -> None:
    house = House().begin(1)
    house.end(SLOT, "disconnected")
    house.ticks(3)

    assert closed(house) == []


# ----------------------------------------------------------------- unexpected


def test_a_crashed_connection_is_restarted_at_once_and_its_epoch_is_closed_exactly_once() -> None:
    house = House().begin(1)
    epoch = house.epoch(SLOT)
    house.crash(SLOT)
    house.tick(0.25)
    house.ticks(3)

    assert house.incarnation(SLOT) == 2
    (close,) = closed(house)
    assert (close.epoch, close.until_ns, close.reason) == (epoch, None, "disconnected")
    assert house.health().restarts.children == {SLOT: 1}


def test_the_close_of_a_dead_connection_is_journalled_as_soon_as_there_is_space() -> None:
    house = House().begin(1)
    house.journal.full = True
    house.crash(SLOT)
    house.tick(0.25)
    assert closed(house) == []

    house.journal.full = False
    house.tick(0.25)
    assert len(closed(house)) == 1


def test_a_crash_loop_is_slowed_to_one_try_in_five_minutes_and_harms_nobody_else() -> None:
    house = House().begin(1)
    for _ in range(5):
        house.crash(SLOT)
        house.ticks(8)
    assert house.incarnation(SLOT) == 5

    house.ticks(280)
    assert house.incarnation(SLOT) == 5
    house.ticks(20)
    assert house.incarnation(SLOT) == 6
    assert house.incarnation("writer") == house.incarnation("lifecycle") == 1
    assert house.fatal == []


def test_the_reason_may_arrive_after_the_death_was_found() -> None:
    """An actor counts as dead before it reports why."""
    house = House().begin(1)
    house.ref(SLOT).alive = False
    house.tick(0.25)
    house.end(SLOT, "disconnected")
    house.ticks(2)

    assert house.health().restarts.total == 0
    assert closed(house) == []
    assert house.noted(SLOT)[1] == ("disconnected", "disconnected")


def test_a_reason_counts_however_many_ticks_stand_before_it() -> None:
    house = House().begin(1)
    incarnation = house.incarnation(SLOT)
    house.ref(SLOT).alive = False
    ended = ConnectionEnded(
        child=SLOT, incarnation=incarnation, epoch=0, reason="reset", detail="", retry_after_s=None
    )
    house.actor.actor_ref.tell(ended)
    for _ in range(40):  # they were sent before, and the supervisor is far behind
        house.now += 0.25
        house.actor.on_receive(Tick(now=house.now, wall_ns=house.wall_ns))
    drain(house.actor)
    house.ticks(2)

    assert house.health().restarts.total == 0
    assert house.noted(SLOT)[1] == ("disconnected", "reset")


def test_many_ends_that_are_reported_late_do_not_end_the_process() -> None:
    numbers = range(1, 31)
    house = House().begin(*numbers)
    names = [name for name in house.started() if name[1:2] == "-"]
    for name in names:
        house.ref(name).alive = False
    house.tick(0.25)
    for name in names:
        house.end(name, "disconnected")
    house.tick(0.25)

    assert house.fatal == []


def test_a_death_without_a_reason_is_found_within_5_s() -> None:
    house = House().begin(1)
    house.ref(SLOT).alive = False
    house.ticks(5)

    assert house.incarnation(SLOT) == 2
    assert len(closed(house)) == 1
    assert ("disconnected", "died without a reason") in house.noted(SLOT)


def test_silence_counts_as_death() -> None:
    house = House().begin(1)
    epoch = house.epoch(SLOT)
    house.mute.add(SLOT)
    house.ticks(44)
    assert house.incarnation(SLOT) == 1

    house.ticks(3)
    assert house.incarnation(SLOT) == 2
    assert [close.epoch for close in closed(house)] == [epoch]


def test_an_abandoned_incarnation_is_asked_to_end_in_case_it_wakes() -> None:
    house = House().begin(1)
    abandoned = house.ref(SLOT)
    house.mute.add(SLOT)
    house.ticks(47)

    assert abandoned.last(Retire).at_once
    assert abandoned.asked_to_stop


def test_reports_of_an_abandoned_incarnation_change_nothing() -> None:
    house = House().begin(1)
    house.crash(SLOT)  # so that the next start is not at once
    house.tick(0.25)
    epoch = house.epoch(SLOT)
    house.mute.add(SLOT)
    while house.children.by_id[SLOT].ref is not None:
        house.tick()
    noted = house.noted(SLOT)
    house.report(SLOT, epoch=epoch)

    assert house.noted(SLOT) == noted
    assert house.health().connections.live == 1  # the one of the lifecycle
    house.ticks(3)
    assert [close.epoch for close in closed(house)][1:] == [epoch]


def test_a_report_of_an_earlier_incarnation_is_not_taken_for_the_current_one() -> None:
    house = House().begin(1)
    house.crash(SLOT)
    house.tick(0.25)
    house.mute.add(SLOT)
    noted = house.noted(SLOT)
    house.report(SLOT, incarnation=1, epoch=77)

    assert house.noted(SLOT) == noted


def test_a_pause_of_the_whole_process_is_no_silence() -> None:
    house = House().begin(1)
    house.tick(600)
    house.ticks(2)

    assert house.incarnation(SLOT) == 1
    assert house.incarnation("writer") == 1


def test_threads_that_stay_stuck_end_the_process() -> None:
    house = House().begin(1, 2, 3, 4)
    house.mute.update(name for name in house.started() if name[1:2] == "-")
    house.ticks(48)

    assert house.fatal[0] == (70, "too many threads are stuck")


def test_threads_that_woke_and_ended_are_not_stuck() -> None:
    house = House().begin(1, 2, 3, 4)
    names = [name for name in house.started() if name[1:2] == "-"]
    for name in names:
        stuck = house.ref(name)
        house.mute.add(name)
        house.ticks(47)
        house.mute.discard(name)
        stuck.alive = False

    assert house.fatal == []


# ---------------------------------------------------------------------- fatal


def test_a_vital_child_that_dies_three_times_in_a_minute_ends_the_process() -> None:
    house = House().begin()
    for starts in (1, 2, 3):
        assert house.fatal == []
        assert house.incarnation("writer") == starts
        house.crash("writer")
        house.ticks(4)

    assert house.fatal[0] == (70, "too many unexpected deaths")


def test_an_exit_code_is_passed_on() -> None:
    house = House().begin()
    house.crash("writer", exit_code=78)

    assert house.fatal == [(78, "ValueError: boom")]


def test_an_error_that_ends_every_incarnation_counts_after_the_restart_too() -> None:
    house = House().begin()
    house.ref("writer").alive = False
    house.ticks(5)
    assert house.incarnation("writer") == 2
    died = ChildDied(
        child="writer", incarnation=1, reason="SchemaMismatch", traceback="", exit_code=78
    )
    house.tell(died)

    assert house.fatal == [(78, "SchemaMismatch")]


def test_a_journal_that_cannot_be_written_ends_the_process_as_an_io_fault() -> None:
    house = House().begin()

    house.journal.broken = JournalFailed("fdatasync: EIO")
    house.ticks(6)

    assert house.fatal[0] == (74, "fdatasync: EIO")


def test_the_death_of_the_supervisor_ends_the_process() -> None:
    house = House().begin()
    house.actor.on_failure(ValueError, ValueError("boom"), None)

    assert house.fatal == [(70, "the supervisor died: ValueError: boom")]


def test_without_threads_a_connection_waits_for_its_start_and_others_go_on() -> None:
    house = House()
    house.start_errors[SLOT] = RuntimeError("can't start new thread")
    house.begin(1).ticks(5)
    assert SLOT not in house.started()
    assert house.incarnation("writer") == 1

    del house.start_errors[SLOT]
    house.ticks(61)
    assert SLOT in house.started()
    assert house.fatal == []
