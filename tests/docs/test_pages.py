"""Every link, anchor and path of the documentation leads somewhere; every page is reached."""

import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INSTALLATION = DOCS / "evidence" / "installation.md"
"""The output of a machine on the day of the installation, with the paths of that day."""
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "systemd" / "README.md",
    *sorted(DOCS.rglob("*.md")),
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(r"(?<![\w/.-])docs/[\w./-]*\w\.(?:md|txt|json|svg)(?:#[\w-]+)?")
MODULE = re.compile(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|sql|yml|service))`")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return the text without blocks and spans of code."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`(?!\])", "", text)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    seen: Counter[str] = Counter()
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def links(page: Path) -> list[str]:
    """Return where the links and pictures of a page lead, but for other sites."""
    return [to for to in LINK.findall(prose(page)) if not re.match(r"https?:|mailto:", to)]


def fault(page: Path, target: str) -> str:
    """Return what is wrong with a link of a page; nothing if it leads somewhere."""
    file, _, anchor = target.partition("#")
    place = (page.parent / file).resolve() if file else page
    if not place.is_relative_to(ROOT) or not place.exists():
        return f"{target}: no such file"
    if anchor and (place.suffix != ".md" or anchor not in anchors(place)):
        return f"{target}: no such heading"
    return ""


def files() -> list[Path]:
    """Return every text file of the project, as version control has it or would have it."""
    said = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if said.returncode != 0:
        pytest.skip("not a clone: which files belong to the project is not known")
    paths = [ROOT / name for name in said.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and path.suffix != ".svg"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [found for to in links(page) if (found := fault(page, to))] == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    page = DOCS / "how-to" / "operate.md"

    assert fault(page, "gone.md") == "gone.md: no such file"
    assert fault(page, "../../../elsewhere.md").endswith("no such file")
    assert fault(page, "#no-such-entry") == "#no-such-entry: no such heading"
    assert fault(page, "maintain.md#runbook") == "maintain.md#runbook: no such heading"
    assert fault(page, "#runbook") == fault(page, "query.md#is-no-trades-real") == ""
    assert len(links(page)) > 20


def test_every_page_and_picture_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        if page.is_dir():
            reached |= set(page.iterdir())
        elif page.suffix == ".md":
            # Without a file it leads to a heading of this page.
            files = [to.partition("#")[0] for to in links(page)]
            waiting += [(page.parent / file).resolve() for file in files if file]
    there = {path for path in DOCS.rglob("*") if path.is_file()}

    assert sorted(map(name_of, there - reached)) == []


@pytest.mark.parametrize("folder", ["how-to", "reference", "explanation", "evidence"])
def test_the_readme_itself_links_every_page_of_a_need(folder: str) -> None:
    linked = {(ROOT / to.partition("#")[0]).resolve() for to in links(ROOT / "README.md")}

    assert set((DOCS / folder).glob("*.md")) - linked == set()


def test_every_page_that_is_named_anywhere_is_there() -> None:
    missing = [
        f"{name_of(path)}: {named}"
        for path in files()
        if path != INSTALLATION
        for named in NAMED.findall(path.read_text(errors="replace"))
        if fault(ROOT / "README.md", named)
    ]

    assert missing == []


def drawn(picture: str) -> set[str]:
    """Return the modules that the text of a picture names."""
    return set(re.findall(r"\bactors/[\w/]+\.py\b", picture))


def gone(page: Path, text: str) -> list[str]:
    """Return the files that a text of this page names and that are not there.

    Names begin at the root of the project, below `actors/`, or beside the page.
    """
    return [
        name
        for name in MODULE.findall(text)
        if "NNNN" not in name
        and not any((base / name).exists() for base in (ROOT, ROOT / "actors", page.parent))
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if page != INSTALLATION], ids=name_of)
def test_every_file_of_the_source_that_a_page_names_is_there(page: Path) -> None:
    assert gone(page, page.read_text()) == []


def test_a_file_of_the_source_that_is_not_there_is_found() -> None:
    page = DOCS / "architecture.md"
    text = "`feed/actor.py`, `actors/feed/actor.py`, `feed/gone.py`, `sql/queries/gone.sql`"

    assert gone(page, text) == ["feed/gone.py", "sql/queries/gone.sql"]
    assert len(MODULE.findall(page.read_text())) > 30


def test_the_architecture_is_one_page_that_is_read_in_ten_minutes() -> None:
    assert len((DOCS / "architecture.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("picture", sorted(DOCS.glob("evidence/*.svg")), ids=name_of)
def test_every_file_of_the_source_that_a_picture_names_is_there(picture: Path) -> None:
    assert [name for name in drawn(picture.read_text()) if not (ROOT / name).exists()] == []


def test_a_flame_graph_names_files() -> None:
    assert len(drawn((DOCS / "evidence" / "end_to_end.svg").read_text())) > 10
    assert drawn("<title>run (actors/feed/gone.py:12)</title>") == {"actors/feed/gone.py"}


def test_a_page_begins_with_its_title() -> None:
    for page in PAGES:
        assert re.match(r"# \S", page.read_text()), page
