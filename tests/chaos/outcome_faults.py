"""Markets end in every way while sources lag, fail and contradict, and the tracker is killed."""

from tests.chaos.fault import Fault
from tests.chaos.resolutions import Play, Run
from tests.chaos.scene import Scene

QUICK = Play(minutes=1.0, markets=200, pace=20.0, kills=1, seed=11)
WHOLE = Play(minutes=10.0, markets=2_000, pace=1.0, kills=3, seed=11)


def every_ending(scene: Scene) -> None:
    """Let them end; compare every resolution, conflict and request with the plan."""
    play = QUICK if scene.scale == 1.0 else WHOLE
    found = Run(scene, play).run()
    scene.outcome.figures.update(found)
    scene.expect(not found["broken"], f"broken: {found['broken']}")
    median, allowed = found["second_final_to_row_median_s"], found["allowed_median_s"]
    scene.expect(
        median <= allowed, f"a resolution took {median} s in the middle, {allowed} allowed"
    )
    for each in found["late"]:
        scene.note(each)
    scene.note(
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
        play=every_ending,
        deadline_s=360,
    ),
)
