"""Promise: no wrong label in any world in which one service is broken, however often we restart."""

import os
from collections import Counter
from random import Random

import pytest

from actors.model.market import Source
from tests.resolution.worlds import Run, World, mistakes, random_world

# Much simulated time: to measure its coverage would take three times as long.
pytestmark = pytest.mark.no_cover

SEED = int(os.environ.get("TRACKER_TEST_SEED", "20261129"))


def worlds(count: int, seed: int) -> tuple[Counter[str], list[tuple[int, World, list[str]]]]:
    """Run so many worlds; return what became of them, and those with mistakes."""
    counts: Counter[str] = Counter()
    wrong = []
    for number in range(count):
        rng = Random(f"{seed}-{number}")
        world = random_world(rng)
        run = Run(world, rng).run()
        kind = "broken" if world.broken else "whole"
        counts[kind] += 1
        counts[f"{kind}, labelled"] += run.resolution is not None
        counts["restarts"] += run.restarts
        if found := mistakes(world, run.resolution):
            wrong.append((number, world, found))
    return counts, wrong


def check(count: int) -> None:
    counts, wrong = worlds(count, SEED)
    print(f"seed {SEED}: {dict(counts)}")  # noqa: T201 - shown when it fails, or with -s
    assert not wrong, f"seed {SEED}: {wrong[:3]}"
    # Worlds without labels would prove nothing.
    assert counts["whole, labelled"] > 0.8 * counts["whole"]
    assert counts["broken, labelled"] > 0.5 * counts["broken"]
    assert counts["restarts"] > count


def test_no_label_is_wrong_in_five_hundred_worlds() -> None:
    check(500)


@pytest.mark.parametrize("gone", list(Source))
def test_a_service_that_is_gone_costs_hardly_a_label_of_v1_and_none_of_the_splits(
    gone: Source,
) -> None:
    """The default asks public nodes of the chain where services are short."""
    labels: Counter[str] = Counter()
    for number in range(100):
        for name, sources in (("whole", tuple(Source)), ("gone", tuple(set(Source) - {gone}))):
            rng = Random(f"{SEED}-{number}")
            world = random_world(rng)
            if world.version == "v2" and world.winner is not None:
                break
            world.broken = None
            run = Run(world, Random(number), sources=tuple(sorted(sources))).run()
            assert mistakes(world, run.resolution) == []
            labels[name] += run.resolution is not None
    assert labels["whole"] > 50
    assert labels["gone"] >= 0.95 * labels["whole"], labels


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_label_is_wrong_in_twenty_thousand_worlds() -> None:
    check(20_000)
