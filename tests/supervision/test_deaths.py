"""The supervisor, unstarted: deaths, restarts, and when the process ends instead."""

from actors.errors import JournalFailed
from actors.messages import ChildDied, ConnectionEnded, Retire, Tick
from actors.model import facts
from tests.actor_harness import SLOT, SupervisorHarness
from tests.fakes_box import drain


def closed(harness: SupervisorHarness) -> list[facts.ListeningClosed]:
    return harness.facts(facts.ListeningClosed)


# ------------------------------------------------------------------- expected


def test_a_connection_that_ends_as_expected_is_restarted_after_a_backoff() -> None:
    harness = SupervisorHarness().begin(1)
    harness.end(SLOT, "disconnected")
    harness.tick(0.25)
    assert harness.incarnation(SLOT) == 1

    harness.tick(1.0)
    assert harness.incarnation(SLOT) == 2
    assert harness.fatal == []
    assert harness.health().restarts.total == 0


def test_backoff_doubles_to_a_minute_and_never_gives_up() -> None:
    harness = SupervisorHarness().begin(1)
    for _ in range(12):
        starts = harness.incarnation(SLOT)
        harness.end(SLOT, "http_503")
        harness.tick(1)
        for _ in range(61):
            if harness.incarnation(SLOT) == starts:
                harness.tick(1)
        assert harness.incarnation(SLOT) == starts + 1

    assert harness.fatal == []


def test_the_wait_that_a_server_asked_for_is_honoured() -> None:
    harness = SupervisorHarness().begin(1)
    harness.end(SLOT, "http_429", retry_after_s=30)
    harness.ticks(30)
    assert harness.incarnation(SLOT) == 1

    harness.tick(1.1)
    assert harness.incarnation(SLOT) == 2


def test_an_end_that_was_reported_closes_no_epoch_twice() -> None:
    harness = SupervisorHarness().begin(1)
    harness.end(SLOT, "disconnected")
    harness.ticks(3)

    assert closed(harness) == []


# ----------------------------------------------------------------- unexpected


def test_a_crashed_connection_is_restarted_at_once_and_its_epoch_is_closed_exactly_once() -> None:
    harness = SupervisorHarness().begin(1)
    epoch = harness.epoch(SLOT)
    harness.crash(SLOT)
    harness.tick(0.25)
    harness.ticks(3)

    assert harness.incarnation(SLOT) == 2
    (close,) = closed(harness)
    assert (close.epoch, close.until_ns, close.reason) == (epoch, None, "disconnected")
    assert harness.health().restarts.children == {SLOT: 1}


def test_the_close_of_a_dead_connection_is_journalled_as_soon_as_there_is_space() -> None:
    harness = SupervisorHarness().begin(1)
    harness.journal.full = True
    harness.crash(SLOT)
    harness.tick(0.25)
    assert closed(harness) == []

    harness.journal.full = False
    harness.tick(0.25)
    assert len(closed(harness)) == 1


def test_a_crash_loop_is_slowed_to_one_try_in_five_minutes_and_harms_nobody_else() -> None:
    harness = SupervisorHarness().begin(1)
    for _ in range(5):
        harness.crash(SLOT)
        harness.ticks(8)
    assert harness.incarnation(SLOT) == 5

    harness.ticks(280)
    assert harness.incarnation(SLOT) == 5
    harness.ticks(20)
    assert harness.incarnation(SLOT) == 6
    assert harness.incarnation("writer") == harness.incarnation("lifecycle") == 1
    assert harness.fatal == []


def test_the_reason_may_arrive_after_the_death_was_found() -> None:
    """An actor counts as dead before it reports why."""
    harness = SupervisorHarness().begin(1)
    harness.ref(SLOT).alive = False
    harness.tick(0.25)
    harness.end(SLOT, "disconnected")
    harness.ticks(2)

    assert harness.health().restarts.total == 0
    assert closed(harness) == []
    assert harness.noted(SLOT)[1] == ("disconnected", "disconnected")


def test_a_reason_counts_however_many_ticks_stand_before_it() -> None:
    harness = SupervisorHarness().begin(1)
    incarnation = harness.incarnation(SLOT)
    harness.ref(SLOT).alive = False
    ended = ConnectionEnded(
        child=SLOT, incarnation=incarnation, epoch=0, reason="reset", detail="", retry_after_s=None
    )
    harness.actor.actor_ref.tell(ended)
    for _ in range(40):  # they were sent before, and the supervisor is far behind
        harness.now += 0.25
        harness.actor.on_receive(Tick(now=harness.now, wall_ns=harness.wall_ns))
    drain(harness.actor)
    harness.ticks(2)

    assert harness.health().restarts.total == 0
    assert harness.noted(SLOT)[1] == ("disconnected", "reset")


def test_many_ends_that_are_reported_late_do_not_end_the_process() -> None:
    numbers = range(1, 31)
    harness = SupervisorHarness().begin(*numbers)
    names = [name for name in harness.started() if name[1:2] == "-"]
    for name in names:
        harness.ref(name).alive = False
    harness.tick(0.25)
    for name in names:
        harness.end(name, "disconnected")
    harness.tick(0.25)

    assert harness.fatal == []


def test_a_death_without_a_reason_is_found_within_5_s() -> None:
    harness = SupervisorHarness().begin(1)
    harness.ref(SLOT).alive = False
    harness.ticks(5)

    assert harness.incarnation(SLOT) == 2
    assert len(closed(harness)) == 1
    assert ("disconnected", "died without a reason") in harness.noted(SLOT)


def test_silence_counts_as_death() -> None:
    harness = SupervisorHarness().begin(1)
    epoch = harness.epoch(SLOT)
    harness.mute.add(SLOT)
    harness.ticks(44)
    assert harness.incarnation(SLOT) == 1

    harness.ticks(3)
    assert harness.incarnation(SLOT) == 2
    assert [close.epoch for close in closed(harness)] == [epoch]


def test_an_abandoned_incarnation_is_asked_to_end_in_case_it_wakes() -> None:
    harness = SupervisorHarness().begin(1)
    abandoned = harness.ref(SLOT)
    harness.mute.add(SLOT)
    harness.ticks(47)

    assert abandoned.last(Retire).at_once
    assert abandoned.asked_to_stop


def test_reports_of_an_abandoned_incarnation_change_nothing() -> None:
    harness = SupervisorHarness().begin(1)
    harness.crash(SLOT)  # so that the next start is not at once
    harness.tick(0.25)
    epoch = harness.epoch(SLOT)
    harness.mute.add(SLOT)
    while harness.children.by_id[SLOT].ref is not None:
        harness.tick()
    noted = harness.noted(SLOT)
    harness.report(SLOT, epoch=epoch)

    assert harness.noted(SLOT) == noted
    assert harness.health().connections.live == 1  # the one of the lifecycle
    harness.ticks(3)
    assert [close.epoch for close in closed(harness)][1:] == [epoch]


def test_a_report_of_an_earlier_incarnation_is_not_taken_for_the_current_one() -> None:
    harness = SupervisorHarness().begin(1)
    harness.crash(SLOT)
    harness.tick(0.25)
    harness.mute.add(SLOT)
    noted = harness.noted(SLOT)
    harness.report(SLOT, incarnation=1, epoch=77)

    assert harness.noted(SLOT) == noted


def test_a_pause_of_the_whole_process_is_no_silence() -> None:
    harness = SupervisorHarness().begin(1)
    harness.tick(600)
    harness.ticks(2)

    assert harness.incarnation(SLOT) == 1
    assert harness.incarnation("writer") == 1


def test_threads_that_stay_stuck_end_the_process() -> None:
    harness = SupervisorHarness().begin(1, 2, 3, 4)
    harness.mute.update(name for name in harness.started() if name[1:2] == "-")
    harness.ticks(48)

    assert harness.fatal[0] == (70, "too many threads are stuck")


def test_threads_that_woke_and_ended_are_not_stuck() -> None:
    harness = SupervisorHarness().begin(1, 2, 3, 4)
    names = [name for name in harness.started() if name[1:2] == "-"]
    for name in names:
        stuck = harness.ref(name)
        harness.mute.add(name)
        harness.ticks(47)
        harness.mute.discard(name)
        stuck.alive = False

    assert harness.fatal == []


# ---------------------------------------------------------------------- fatal


def test_a_vital_child_that_dies_three_times_in_a_minute_ends_the_process() -> None:
    harness = SupervisorHarness().begin()
    for starts in (1, 2, 3):
        assert harness.fatal == []
        assert harness.incarnation("writer") == starts
        harness.crash("writer")
        harness.ticks(4)

    assert harness.fatal[0] == (70, "too many unexpected deaths")


def test_an_exit_code_is_passed_on() -> None:
    harness = SupervisorHarness().begin()
    harness.crash("writer", exit_code=78)

    assert harness.fatal == [(78, "ValueError: boom")]


def test_an_error_that_ends_every_incarnation_counts_after_the_restart_too() -> None:
    harness = SupervisorHarness().begin()
    harness.ref("writer").alive = False
    harness.ticks(5)
    assert harness.incarnation("writer") == 2
    died = ChildDied(
        child="writer", incarnation=1, reason="SchemaMismatch", traceback="", exit_code=78
    )
    harness.tell(died)

    assert harness.fatal == [(78, "SchemaMismatch")]


def test_a_journal_that_cannot_be_written_ends_the_process_as_an_io_fault() -> None:
    harness = SupervisorHarness().begin()

    harness.journal.broken = JournalFailed("fdatasync: EIO")
    harness.ticks(6)

    assert harness.fatal[0] == (74, "fdatasync: EIO")


def test_the_death_of_the_supervisor_ends_the_process() -> None:
    harness = SupervisorHarness().begin()
    harness.actor.on_failure(ValueError, ValueError("boom"), None)

    assert harness.fatal == [(70, "the supervisor died: ValueError: boom")]


def test_without_threads_a_connection_waits_for_its_start_and_others_go_on() -> None:
    harness = SupervisorHarness()
    harness.start_errors[SLOT] = RuntimeError("can't start new thread")
    harness.begin(1).ticks(5)
    assert SLOT not in harness.started()
    assert harness.incarnation("writer") == 1

    del harness.start_errors[SLOT]
    harness.ticks(61)
    assert SLOT in harness.started()
    assert harness.fatal == []
