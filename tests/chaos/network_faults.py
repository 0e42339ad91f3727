"""F41-F56: the network and the feed."""

from fault import Fault
from scene import Scene

SILENCE_S = 5


def reset(scene: Scene) -> None:
    scene.simulate()
    proxy = scene.feed
    scene.play()
    scene.strike()
    count = proxy.reset()
    scene.noticed("connection_ended", within_s=5)
    scene.recovered(within_s=30)
    scene.note(f"{count} connections reset at once")


def frozen(scene: Scene) -> None:
    scene.play(TRACKER_REDUNDANCY="1", TRACKER_SILENCE_SECONDS=str(SILENCE_S))
    scene.strike("freeze", count=1, seconds=0)
    said = scene.noticed("connection_ended", within_s=SILENCE_S + 30)
    scene.expect(said["reason"].startswith("frozen"), f"reason was {said['reason']}")
    late = (scene.outcome.notice_s or 0) > SILENCE_S + 5
    scene.expect(not late, f"noticed later than {SILENCE_S} + 5 s")
    scene.recovered(within_s=30)


def closed(scene: Scene) -> None:
    scene.play()
    for code in (1000, 1001, 1008, 1012, 1013):
        scene.strike("close", code=code, count=1)
        scene.noticed(
            "connection_ended",
            within_s=5,
            where=lambda event: str(code) in event["reason"],  # noqa: B023 - used at once
        )
    scene.strike("bad_frame", count=1)
    scene.noticed("connection_ended", within_s=5)
    scene.recovered(within_s=60)


FAULTS = (
    Fault(
        number="F41",
        name="TCP reset of every connection at once",
        how="the proxy before the feed sends RST",
        expected="noticed at once, connected again with jitter, a gap of that length",
        play=reset,
    ),
    Fault(
        number="F43",
        name="freeze that answers PONG, one leg",
        how="the simulator withholds data from one connection",
        expected="noticed within TRACKER_SILENCE_SECONDS + 5 s; gap from the last data on",
        play=frozen,
    ),
    Fault(
        number="F48",
        name="CLOSE 1000/1001/1008/1012/1013, invalid frame",
        how="the simulator closes or breaks one connection after another",
        expected="data before it is kept; connected again",
        play=closed,
    ),
)
