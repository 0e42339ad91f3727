from actors.health.counters import RestartCounts
from actors.health.parts import Limits


def test_deaths_far_apart_are_counted_and_make_no_loop() -> None:
    deaths = RestartCounts(Limits(loop_deaths=2, loop_s=10.0))
    deaths.add("writer", 0.0, "KeyError: 1")
    deaths.add("writer", 11.0, "KeyError: 2")
    said = deaths.restarts(11.0)
    assert (said.total, said.children, said.looping) == (2, {"writer": 2}, ())


def test_a_loop_ends_when_its_deaths_are_long_ago() -> None:
    deaths = RestartCounts(Limits(loop_deaths=2, loop_s=10.0))
    deaths.add("writer", 0.0, "KeyError: 1")
    deaths.add("writer", 5.0, "KeyError: 2")
    assert deaths.restarts(10.0).looping == ("writer",)
    assert deaths.restarts(10.0).reasons == {"writer": "KeyError: 2"}
    assert deaths.restarts(10.1).looping == ()
    assert deaths.restarts(10.1).reasons == {}
