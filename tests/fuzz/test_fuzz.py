"""A short fuzz of everything that comes from outside; `make fuzz SECONDS=600` is the long one."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fuzz.fuzz import Run

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
NAMES = ("frames", "events", "answers", "records", "tables", "http", "status",
         "handshake", "pages", "texts", "replies", "recordings")  # fmt: skip


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with ExitStack() as stack:
        yield Run(stack, examples=60)


@pytest.mark.parametrize("name", NAMES)
def test_no_damaged_input_crashes(run: Run, name: str) -> None:
    run.run_one(name, 1)
    assert run.count[name] >= 60


def test_every_target_is_run(run: Run) -> None:
    assert set(run.targets) == set(NAMES)
