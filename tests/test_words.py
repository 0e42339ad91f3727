"""One word for one thing: the words that were given up do not come back.

    python -m tests.test_words [PATH ...]

lists where they stand. Identifiers are split into their parts, so `lane_of` and `LaneSpec` both
hold `lane`. docs/glossary.md says which word is meant instead.
"""

import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

GIVEN_UP = {
    "bench": "connection, slot",
    "births": "starts",
    "bustle": "activity",
    "clerk": "outbox",
    "court": "case book",
    "crew": "handover",
    "deaf": "blackout, token missed",
    "docket": "schedule",
    "doors": "rate limit",
    "farewell": "close reason",
    "gait": "noise pattern",
    "hearing": "observation",
    "hush": "exchange silence",
    "insistence": "retry",
    "lane": "connection, slot",
    "leg": "feed",
    "obituary": "death",
    "patience": "backoff",
    "premises": "startup",
    "pulse": "canary",
    "reckon": "compute, count",
    "recollection": "read back",
    "refusal": "rejection",
    "refuse": "reject",
    "room": "module, space",
    "rota": "plan executor",
    "stride": "batch size",
    "tally": "accounting",
    "testimony": "observation, evidence",
    "tidings": "notification",
    "twin": "duplicate, occurrence",
    "verdict": "resolution, decision",
    "vigil": "keepalive",
}
"""Each word that was given up, and what is said instead."""

FORMS = {
    "birth": "births",
    "courtroom": "court",
    "deafen": "deaf",
    "deafness": "deaf",
    "door": "doors",
    "headroom": "room",
    "insistent": "insistence",
    "insist": "insistence",
    "patient": "patience",
    "roomy": "room",
    "testify": "testimony",
    "vigilant": "vigil",
}
"""Words that are as good as one of them and are no regular form of it."""

ENDINGS = (
    ("", ""),
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("ied", "y"),
    ("ed", ""),
    ("d", ""),
    ("ing", ""),
    ("ing", "e"),
    ("er", ""),
    ("r", ""),
)
"""Endings of regular forms, and what stands in their place in the word itself."""

SKIPPED = {
    "CHANGELOG.md": "says what the old names were",
    "LICENSE": "the text of the licence",
    "requirements-dataset.lock": "packages of others",
    "requirements-dev.lock": "packages of others",
    "requirements.lock": "packages of others",
    "sql/migrations/": "applied migrations never change",
    "sql/schema.sql": "made from the migrations",
    "tests/data/": "recorded and stored by others and by earlier versions",
    "tests/database/released/": "databases of earlier versions",
    "tests/test_words.py": "this list",
}
"""What is not looked at, and why."""

SOURCES = ("actors/polymarket/", "tests/polymarket/", "tests/resolution/")
COVERAGE = (
    "actors/database/coverage.py",
    "sql/queries/",
    "tests/bench/",
    "tests/database/",
    "tests/years/filling.py",
)
OBSERVATIONS = (
    "actors/database/columns.py",
    "docs/",
    "sql/queries/",
    "tests/chaos/resolutions.py",
    "tests/database/",
    "tests/dataset/",
    "tests/years/filling.py",
)
BENCHMARKS = ("Makefile", "docs/explanation/performance.md", "setup.cfg", "tests/bench/")
ALLOWED = (
    (
        "bench",
        r"\bmake bench\b|\bbench:|\bcheck bench\b|tests[./]bench(?:\.bench)?\b|RUN_BY_BENCH",
        (*BENCHMARKS, "tests/architecture/test_dependencies.py", "CONTRIBUTING.md"),
        "benchmarks",
    ),
    (
        "bench",
        r"\bbench[.\w]*\.(?:py|json|bench)\b|\.venv-bench|tracker-bench-",
        (*BENCHMARKS, ".gitignore"),
        "their files",
    ),
    (
        "bench",
        r"['\"]bench['\"]|\bbench_[\d{]",
        ("tests/bench/",),
        "their names in databases and headers",
    ),
    (
        "refuse",
        r"ConnectionRefusedError|ECONNREFUSED|[Cc]onnections? refused",
        ("actors/", "docs/", "tests/"),
        "the word of the operating system",
    ),
    (
        "refuse",
        r"[\"`]refused[\"`]|\brefused: 127|\.example: refused",
        ("actors/network/", "actors/model/connection.py", "docs/reference/log-events.md", "tests/"),
        "the reason of a connection that the system refused",
    ),
    (
        "pulse",
        r"DefiPulse",
        ("tests/resolution/market_classes.py",),
        "a name in a recorded question",
    ),
    ("leg", r"%\(leg\)s|\"leg\"|\bleg,|\bleg\b = excluded\.leg", COVERAGE, "a column of epochs"),
    (
        "verdict",
        r"o\.verdict|[\"'`]verdict[\"'`]|\bverdict, reason|lag\(verdict\)",
        OBSERVATIONS,
        "a column of resolution_observations",
    ),
    (
        "verdict",
        r"\| verdict \||\bverdict text\b|observed_at verdict|\(JSON text or NULL\), verdict",
        OBSERVATIONS,
        "the same column",
    ),
    (
        "deaf",
        r"[\"`]deaf[\"`]",
        (
            "actors/model/connection.py",
            "docs/reference/data.md",
            "tests/database/",
            "tests/feed/",
            "tests/journal/",
            "tests/model/",
        ),
        "a cause that the database stores",
    ),
    ("twin", r"twin keys", SOURCES, "a reason that is stored with observations"),
)
"""Where a word may stand all the same: the word, the text around it, the places, and why."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@functools.cache
def base(part: str) -> str:
    """Return the word as the list has it, or an empty text."""
    word = part.lower()
    for ending, instead in ENDINGS:
        if word.endswith(ending):
            form = word.removesuffix(ending) + instead
            form = FORMS.get(form, form)
            if form in GIVEN_UP:
                return form
    return ""


def found(text: str, path: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, word and text of each line that holds a word that was given up.

    Args:
        text: Of a file.
        path: Of the file in the project, which decides what is allowed in it.
    """
    patterns = [pattern for _, pattern, places, _ in ALLOWED if path.startswith(places)]
    for number, line in enumerate(text.splitlines(), 1):
        left = line
        for pattern in patterns:
            left = re.sub(pattern, "", left)
        for part in _PART.findall(left):
            if word := base(part):
                yield number, word, line.strip()


def files(*places: str) -> list[Path]:
    """Return the files of the project that are looked at."""
    command = ["git", "ls-files", *places]
    named = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [
        ROOT / name
        for name in named.splitlines()
        if not name.startswith(tuple(SKIPPED)) and not name.endswith((".png", ".svg"))
    ]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_comes_back(path: Path) -> None:
    lines = found(path.read_text(), str(path.relative_to(ROOT)))
    assert [f"{number}: {word}: {line}" for number, word, line in lines] == []


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_named_by_one(path: Path) -> None:
    parts = _PART.findall(
        str(path.relative_to(ROOT)).replace("tests/bench/", "").replace("bench.py", "")
    )
    assert not [word for part in parts if (word := base(part))]


@pytest.mark.parametrize(
    "text",
    [
        *("lane_of", "LaneSpec", "a refusal", "REFUSED", "verdicts", "hushed", "tallies", "twins"),
        *("pulsing", "deafening", "insisted", "a door", "benches", '{"verdict": 1}', '{"deaf": 2}'),
    ],
)
def test_parts_of_identifiers_and_other_forms_are_found(text: str) -> None:
    assert list(found(text, "actors/health/document.py"))


@pytest.mark.parametrize("text", ["planes", "a mushroom", "privileged", "legend", "elegant"])
def test_other_words_are_left_alone(text: str) -> None:
    assert not list(found(text, "actors/health/document.py"))


def test_a_stored_word_is_allowed_in_its_places_alone() -> None:
    assert not list(found('cause = "deaf"', "actors/model/connection.py"))
    assert list(found('cause = "deaf"', "actors/health/counters.py"))


def test_no_exception_is_left_over() -> None:
    """Each is needed in at least one file."""
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in files()}
    for word, pattern, places, _ in ALLOWED:
        matches = (
            match.group()
            for path, text in texts.items()
            if path.startswith(places)
            for match in re.finditer(pattern, text)
        )
        assert any(base(part) == word for match in matches for part in _PART.findall(match)), (
            pattern
        )


if __name__ == "__main__":
    for place in files(*sys.argv[1:]):
        for number, word, line in found(place.read_text(), str(place.relative_to(ROOT))):
            sys.stdout.write(f"{place.relative_to(ROOT)}:{number}: {word}: {line[:120]}\n")
