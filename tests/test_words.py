"""One word for one thing: the words that were given up do not come back.

    python -m tests.test_words [PATH ...]

lists where they stand. Identifiers are split into their parts, so `lane_of` and `LaneSpec` both
hold `lane`. docs/glossary.md says which word is meant instead.
"""

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
    "deafened": "deaf",
    "deafness": "deaf",
    "headroom": "room",
    "hushed": "hush",
    "reckoned": "reckon",
    "reckoning": "reckon",
    "refusing": "refuse",
    "refused": "refuse",
    "roomy": "room",
    "testimonies": "testimony",
}
"""Other forms; a plural with s is one anyway."""

SKIPPED = {
    "LICENSE": "the text of the licence",
    "docs/evidence/torture.txt": "printed by a run of an earlier version",
    "requirements-dev.lock": "packages of others",
    "requirements.lock": "packages of others",
    "sql/migrations/": "applied migrations never change",
    "sql/schema.sql": "made from the migrations",
    "tests/data/": "recorded and stored by others and by earlier versions",
    "tests/database/released/": "databases of earlier versions",
    "tests/test_words.py": "this list",
}
"""What is not looked at, and why."""

ALLOWED = (
    (
        "bench",
        r"\bmake bench\b|\bbench:|\bcheck bench\b|tests[./]bench(?:\.bench)?\b|RUN_BY_BENCH",
        "benchmarks",
    ),
    ("bench", r"\bbench[.\w]*\.(?:py|json|bench)\b|\.venv-bench|tracker-bench-", "their files"),
    ("bench", r"['\"]bench['\"]|\bbench_[\d{]", "their names in databases and headers"),
    ("refuse", r"ConnectionRefusedError|ECONNREFUSED|[Cc]onnections? refused", "system's word"),
    ("refuse", r"[\"`]refused[\"`]", "the reason of a connection that the system refused"),
    ("refuse", r"refuse_change", "a function of an applied migration"),
    ("leg", r"%\(leg\)s|\"leg\"|\bleg,|\bleg\b = excluded\.leg", "a column of epochs"),
    ("verdict", r"o\.verdict|[\"'`]verdict[\"'`]|\bverdict, reason|lag\(verdict\)", "a column"),
    (
        "verdict",
        r"\| verdict \||\bverdict text\b|observed_at verdict|\(JSON text or NULL\), verdict",
        "the same column",
    ),
    ("deaf", r"[\"`]deaf[\"`]", "a cause that the database stores"),
    ("twin", r"twin keys", "a reason that is stored with observations"),
    ("room", r"headroom_bytes", "a field of a log event that says how much space is left"),
)
"""Where a word may stand all the same: the word, the text around it, and why."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def base(part: str) -> str:
    """Return the word as the list has it, or an empty text."""
    word = part.lower()
    for form in (word, FORMS.get(word, ""), word.removesuffix("s")):
        if form in GIVEN_UP:
            return form
        if form in FORMS:
            return FORMS[form]
    return ""


def found(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, word and text of each line that holds a word that was given up."""
    for number, line in enumerate(text.splitlines(), 1):
        left = line
        for _, pattern, _ in ALLOWED:
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
    text = path.read_text()
    assert [f"{number}: {word}: {line}" for number, word, line in found(text)] == []


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_named_by_one(path: Path) -> None:
    parts = _PART.findall(
        str(path.relative_to(ROOT)).replace("tests/bench/", "").replace("bench.py", "")
    )
    assert not [word for part in parts if (word := base(part))]


@pytest.mark.parametrize(
    "text", ["lane_of", "LaneSpec", "a refusal", "REFUSED", "verdicts", "hushed"]
)
def test_parts_of_identifiers_and_other_forms_are_found(text: str) -> None:
    assert list(found(text))


@pytest.mark.parametrize("text", ["planes", "a mushroom", "privileged", "legend", "elegant"])
def test_other_words_are_left_alone(text: str) -> None:
    assert not list(found(text))


if __name__ == "__main__":
    for place in files(*sys.argv[1:]):
        for number, word, line in found(place.read_text()):
            sys.stdout.write(f"{place.relative_to(ROOT)}:{number}: {word}: {line[:120]}\n")
