"""Markets end in every way while sources lag, fail and contradict, and the tracker is killed."""

from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun
from tests.chaos.resolutions import ResolutionRun, RunSize

QUICK = RunSize(minutes=1.0, markets=200, pace=20.0, kills=1, seed=11)
WHOLE = RunSize(minutes=10.0, markets=2_000, pace=1.0, kills=3, seed=11)


def every_ending(run: FaultRun) -> None:
    """Let them end; compare every resolution, conflict and request with the plan."""
    size = QUICK if run.scale == 1.0 else WHOLE
    found = ResolutionRun(run, size).run()
    run.outcome.figures.update(found)
    run.expect(not found["broken"], f"broken: {found['broken']}")
    median, allowed = found["second_final_to_row_median_s"], found["allowed_median_s"]
    run.expect(median <= allowed, f"a resolution took {median} s in the middle, {allowed} allowed")
    for each in found["late"]:
        run.note(each)
    for each in found["repeated"]:
        run.note(f"repeated: {each}")
    run.note(
        f"{found['markets']} markets: {found['right']} right, {found['wrong']} wrong,"
        f" {found['missing']} missing, {found['invented']} invented,"
        f" {found['conflicts_missed']} of {found['contradicted']} conflicts missed;"
        f" {median} s from the second final answer to the row ({allowed} allowed)"
    )


FAULTS = (
    Fault(
        number="resolutions",
        name="markets end in every way",
        how="200 in a minute, 20 times as fast, a kill (2,000 in ten minutes, 3 with HOURS)",
        expected="0 wrong, invented or missing, no conflict missed, rate limits kept",
        run=every_ending,
        deadline_s=360,
    ),
)
