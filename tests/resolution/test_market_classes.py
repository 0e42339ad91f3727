"""What the tracker makes of each class of market, with every set of services; the page has it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.model.market import Source
from tests.resolution.market_classes import (
    CLASSES,
    PAGE,
    REASONS,
    SITUATIONS,
    MarketClass,
    Setup,
    Tracker,
    labelled,
    markdown,
)
from tests.resolution.recorded_answers import fixtures

# Much simulated time: to measure its coverage would take three times as long.
pytestmark = pytest.mark.no_cover

BY_NAME = {each.name: each for each in CLASSES}
EXPECTED: dict[str, dict[Setup, tuple[str, str, str, str]]] = {
    "UMA, yes or no": {
        Setup.PUBLIC: ("No: clob data gamma", "No: clob data", "No: data gamma", "No: clob gamma"),
        Setup.NONE: ("No: clob data gamma", "No: clob data", "No: data gamma", "No: clob gamma"),
        Setup.OWN: (
            "No: chain clob data gamma",
            "No: chain clob data",
            "No: chain data gamma",
            "No: chain clob gamma",
        ),
    },
    "UMA, sports": {
        Setup.PUBLIC: (
            "FaZe: clob data gamma",
            "FaZe: clob data",
            "FaZe: data gamma",
            "FaZe: clob gamma",
        ),
        Setup.NONE: (
            "FaZe: clob data gamma",
            "FaZe: clob data",
            "FaZe: data gamma",
            "FaZe: clob gamma",
        ),
        Setup.OWN: (
            "FaZe: chain clob data gamma",
            "FaZe: chain clob data",
            "FaZe: chain data gamma",
            "FaZe: chain clob gamma",
        ),
    },
    "UMA (2022), no winner at the CLOB": {
        Setup.PUBLIC: ("No: data gamma", "No: chain data", "No: data gamma", "No: chain gamma"),
        Setup.NONE: (
            "No: data gamma",
            "none: only data is final",
            "No: data gamma",
            "none: only gamma is final",
        ),
        Setup.OWN: (
            "No: chain data gamma",
            "No: chain data",
            "No: chain data gamma",
            "No: chain gamma",
        ),
    },
    "neg-risk": {
        Setup.PUBLIC: ("No: clob data gamma", "No: clob data", "No: data gamma", "No: clob gamma"),
        Setup.NONE: ("No: clob data gamma", "No: clob data", "No: data gamma", "No: clob gamma"),
        Setup.OWN: (
            "No: chain clob data gamma",
            "No: chain clob data",
            "No: chain data gamma",
            "No: chain clob gamma",
        ),
    },
    "crypto up or down (Chainlink)": {
        Setup.PUBLIC: ("Up: clob data gamma", "Up: clob data", "Up: data gamma", "Up: clob gamma"),
        Setup.NONE: ("Up: clob data gamma", "Up: clob data", "Up: data gamma", "Up: clob gamma"),
        Setup.OWN: (
            "Up: chain clob data gamma",
            "Up: chain clob data",
            "Up: chain data gamma",
            "Up: chain clob gamma",
        ),
    },
    "crypto up or down, no status at Gamma": {
        Setup.PUBLIC: ("Up: clob data", "Up: clob data", "Up: chain data", "Up: chain clob"),
        Setup.NONE: (
            "Up: clob data",
            "Up: clob data",
            "none: only data is final",
            "none: only clob is final",
        ),
        Setup.OWN: (
            "Up: chain clob data",
            "Up: chain clob data",
            "Up: chain data",
            "Up: chain clob",
        ),
    },
    "V2, announced only": {
        Setup.PUBLIC: (
            "Up: chain data",
            "Up: chain data",
            "Up, unnamed: chain data",
            "none: sources do not answer",
        ),
        Setup.NONE: (
            "none: only data is final",
            "none: only data is final",
            "none: only data is final",
            "none: sources do not answer",
        ),
        Setup.OWN: (
            "Up: chain data",
            "Up: chain data",
            "Up, unnamed: chain data",
            "none: only chain is final",
        ),
    },
    "V2, listed by Gamma": {
        Setup.PUBLIC: (
            "Down: data gamma",
            "Down: chain data",
            "Down: data gamma",
            "Down: chain gamma",
        ),
        Setup.NONE: (
            "Down: data gamma",
            "none: only data is final",
            "Down: data gamma",
            "none: only gamma is final",
        ),
        Setup.OWN: (
            "Down: chain data gamma",
            "Down: chain data",
            "Down: chain data gamma",
            "Down: chain gamma",
        ),
    },
    "50/50": {
        Setup.PUBLIC: (
            "split: data gamma",
            "split: chain data",
            "split: data gamma",
            "split: chain gamma",
        ),
        Setup.NONE: (
            "split: data gamma",
            "none: only data is final",
            "split: data gamma",
            "none: only gamma is final",
        ),
        Setup.OWN: (
            "split: chain data gamma",
            "split: chain data",
            "split: chain data gamma",
            "split: chain gamma",
        ),
    },
    "void near one half at Gamma": {
        Setup.PUBLIC: (
            "split: chain data",
            "split: chain data",
            "split: chain data",
            "none: prices not final",
        ),
        Setup.NONE: (
            "none: only data is final",
            "none: only data is final",
            "none: only data is final",
            "none: prices not final",
        ),
        Setup.OWN: (
            "split: chain data",
            "split: chain data",
            "split: chain data",
            "none: only chain is final",
        ),
    },
    "disputed, then the other outcome": {
        Setup.PUBLIC: ("No: clob data gamma", "No: clob data", "No: data gamma", "No: clob gamma"),
        Setup.NONE: ("No: clob data gamma", "No: clob data", "No: data gamma", "No: clob gamma"),
        Setup.OWN: (
            "No: chain clob data gamma",
            "No: chain clob data",
            "No: chain data gamma",
            "No: chain clob gamma",
        ),
    },
    "proposed for months, open at ½": {
        Setup.PUBLIC: ("none: proposed", "none: proposed", "none: proposed", "none: proposed"),
        Setup.NONE: ("none: proposed", "none: proposed", "none: proposed", "none: proposed"),
        Setup.OWN: ("none: proposed", "none: proposed", "none: proposed", "none: proposed"),
    },
    "closed by hand, not on the chain yet": {
        Setup.PUBLIC: (
            "none: only clob is final",
            "none: initialized",
            "none: closed without status",
            "none: only clob is final",
        ),
        Setup.NONE: (
            "none: only clob is final",
            "none: initialized",
            "none: closed without status",
            "none: only clob is final",
        ),
        Setup.OWN: (
            "none: only clob is final",
            "none: initialized",
            "none: closed without status",
            "none: only clob is final",
        ),
    },
    "closed by hand, on the chain": {
        Setup.PUBLIC: ("Yes: clob data", "Yes: clob data", "Yes: chain data", "Yes: chain clob"),
        Setup.NONE: (
            "Yes: clob data",
            "Yes: clob data",
            "none: only data is final",
            "none: only clob is final",
        ),
        Setup.OWN: (
            "Yes: chain clob data",
            "Yes: chain clob data",
            "Yes: chain data",
            "Yes: chain clob",
        ),
    },
    "scalar (2021)": {
        Setup.PUBLIC: (
            "none: payouts not final",
            "none: payouts not final",
            "none: payouts not final",
            "none: closed without status",
        ),
        Setup.NONE: (
            "none: payouts not final",
            "none: payouts not final",
            "none: payouts not final",
            "none: closed without status",
        ),
        Setup.OWN: (
            "none: unusual payouts",
            "none: unusual payouts",
            "none: unusual payouts",
            "none: unusual payouts",
        ),
    },
    "0/0, never resolved (2020)": {
        Setup.PUBLIC: (
            "none: closed without status",
            "none: sources do not answer",
            "none: closed without status",
            "none: closed without status",
        ),
        Setup.NONE: (
            "none: closed without status",
            "none: sources do not answer",
            "none: closed without status",
            "none: closed without status",
        ),
        Setup.OWN: (
            "none: closed without status",
            "none: not reported",
            "none: closed without status",
            "none: closed without status",
        ),
    },
    'neg-risk "Other", a placeholder': {
        Setup.PUBLIC: ("none: open", "none: sources do not answer", "none: open", "none: open"),
        Setup.NONE: ("none: open", "none: sources do not answer", "none: open", "none: open"),
        Setup.OWN: ("none: open", "none: not reported", "none: open", "none: open"),
    },
}
"""For each class and setup what it makes of the market when all services answer, and without Gamma,
the CLOB, the Data API."""


@pytest.mark.parametrize("name", BY_NAME)
def test_each_class_has_its_label_or_the_reason_why_it_has_none(name: str) -> None:
    found = BY_NAME[name]
    assert EXPECTED[name] == {
        setup: tuple(labelled(found, setup, gone).text(found.market) for _, gone in SITUATIONS)
        for setup in Setup
    }


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.name)
def test_no_label_is_wrong(found: MarketClass) -> None:
    for setup in Setup:
        for _, gone in SITUATIONS:
            assert labelled(found, setup, gone).pays in (None, found.truth), (setup, gone)


def test_every_class_that_pays_has_its_label_as_installed() -> None:
    for found in CLASSES:
        assert labelled(found, Setup.PUBLIC).pays == found.truth, found.name


def test_without_a_report_of_the_feed_an_announced_market_has_its_label_after_an_hour() -> None:
    found = BY_NAME["V2, announced only"]
    tracker = Tracker(found, Setup.OWN)
    tracker.web.said = found.stages[-1]
    tracker.run(3600 - 60)
    assert tracker.label().why == "not ended"
    tracker.run(600)
    assert tracker.label().pays == found.truth


def test_the_page_is_what_the_command_makes() -> None:
    assert PAGE.read_text() == markdown(), (
        "renew it: python -m tests.resolution.market_classes --write"
    )


def test_every_reason_on_the_page_is_explained_and_no_other() -> None:
    labels = [
        labelled(each, setup, gone) for each in CLASSES for setup in Setup for _, gone in SITUATIONS
    ]
    assert {label.why for label in labels if label.pays is None} == set(REASONS)


# --------------------------------------------------------------- what is recorded


DECIDING = ("umaResolutionStatus", "resolutionStatus", "closedTime", "positionIds")
"""Fields of Gamma that none of these leaves out."""


def recorded() -> Path:
    if (path := fixtures()) is None:
        pytest.skip("no recorded answers here")
    return path


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object anywhere in a JSON value."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from objects(each)


@pytest.mark.parametrize(
    ("found", "what", "file"),
    [
        pytest.param(found, what, file, id=f"{found.name}-{what}")
        for found in CLASSES
        for what, file in found.recorded.items()
    ],
)
def test_what_is_called_recorded_was_recorded(found: MarketClass, what: str, file: str) -> None:
    said = found.stages[-1]
    ours = {"known": found.known, Source.GAMMA: said.gamma, Source.CLOB: said.clob}[what]
    assert ours is not None
    key = "condition_id" if what == Source.CLOB else "conditionId"
    theirs = next(
        each
        for each in objects(json.loads((recorded() / file).read_bytes()))
        if each.get(key) == ours[key]
    )
    names = {*ours, *(DECIDING if what == Source.GAMMA else ())}
    assert {name: theirs.get(name) for name in names} == {name: ours.get(name) for name in names}


def test_rows_of_uma_have_the_fields_of_the_recorded_one() -> None:
    theirs = json.loads((recorded() / "py-sdk/data_v2_resolutions_row_resolved.json").read_bytes())
    (ours,) = BY_NAME["UMA, yes or no"].stages[-1].resolutions
    assert {name: type(value) for name, value in ours.items()} == {
        name: type(value) for name, value in theirs.items()
    }
