"""Each mutation still fits the source, and each promise of the page of security has one."""

import re
from typing import NamedTuple

import pytest

from tests.chaos.mutate import ROOT, TREE
from tests.chaos.mutations import reliability, security
from tests.chaos.mutations.mutation import Mutation

ALL = (*reliability.MUTATIONS, *security.MUTATIONS)
PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text()


class Line(NamedTuple):
    """A line of the page: its promise, and the tests that it names."""

    promise: str
    tests: frozenset[str]


def lines() -> list[Line]:
    found = []
    for line in PAGE.splitlines():
        if line.startswith("| ") and "| held by |" not in line:
            promise, *_, held = line.strip("| ").split(" | ")
            found.append(Line(promise, frozenset(re.findall(r"`(test_\w+)`", held))))
    return found


def of(promise: str) -> Line:
    (found,) = (line for line in lines() if line.promise.startswith(promise))
    return found


@pytest.mark.parametrize("mutation", ALL, ids=lambda each: each.name)
def test_a_mechanism_that_is_removed_stands_in_the_source_once(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1
    assert mutation.new != mutation.old
    assert mutation.file.split("/")[0] in TREE


@pytest.mark.parametrize("mutation", security.MUTATIONS, ids=lambda each: each.name)
def test_a_mutation_must_be_noticed_by_tests_that_the_page_names_for_its_promise(
    mutation: Mutation,
) -> None:
    assert mutation.tests
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text()
        assert name in of(mutation.promise).tests


def test_each_promise_of_the_page_has_a_mutation_or_a_reason_why_it_has_none() -> None:
    assert len(lines()) > 60
    tried = {of(each.promise).promise for each in security.MUTATIONS}
    without = {of(promise).promise for promise in security.NONE}
    assert {line.promise for line in lines()} - tried - without == set()
    assert tried & without == set()
    assert all(security.NONE.values())


def test_no_two_mutations_have_one_name() -> None:
    names = [each.name for each in ALL]
    assert sorted({name for name in names if names.count(name) > 1}) == []
