"""The page in a real browser: what it shows, what it never does, and what it says of the dead."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import CHROMIUM, WITHOUT, Browser, browser
from tests.health import pages
from tests.health.pages import Tracker, tracker, wait_for_an_answer

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT),
]

ATTACKS = (
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "</td></tr></table><h1 id=headline>Healthy</h1>",
    "<svg onload=alert(1)><style>*{display:none}</style>",
    "javascript:document.title='owned'",
    "\u202e gnihtyreve sesrever siht \u2066\u2069 \u200b\ufeff",
    "\x00\x07\x1b[2J\x9b31m\r\n",
    "a" * 5_000,
    "word " * 1_000,
    "\u0301" * 300 + "e",
    "{{constructor.constructor('document.title=1')()}} ${document.title='owned'}",
)
STATE = "document.documentElement?.dataset.state"
TEXT = "document.querySelector('{}').textContent"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def page(chromium: Browser) -> Browser:
    chromium.requested.clear()
    chromium.said.clear()
    return chromium


@pytest.fixture
def served() -> Iterator[Tracker]:
    with tracker() as made:
        yield made


def text(page: Browser, selector: str) -> str:
    return str(page.run(TEXT.format(selector)))


def opened(page: Browser, served: Tracker, **look: Any) -> None:
    page.open(served.url, **look)
    wait_for_an_answer(page)


# -------------------------------------------------------------------------- what it shows


@pytest.mark.parametrize(
    ("state", "headline"),
    [
        ("healthy", "Healthy"),
        ("source_failing", "Attention: no answer from clob for 400 s (503 Service Unavailable)"),
        ("database_away", "Degraded: database away for 754 s: connection refused"),
        ("starting", "Starting: waiting for the database"),
    ],
)
def test_the_headline_is_the_state_with_its_cause(
    page: Browser, served: Tracker, state: str, headline: str
) -> None:
    served.says = pages.told(state)
    opened(page, served)
    assert text(page, "#headline") == headline
    assert text(page, "#announced") == headline.replace(
        "waiting for the database", "waiting for the database, and 2 more"
    )
    assert page.run(STATE) == served.says["state"]
    assert page.run("document.title").startswith(served.says["state"])
    for code in served.says["codes"]:
        assert code in text(page, "#reasons")
    assert page.said == []


def test_the_figures_are_those_of_the_document(page: Browser, served: Tracker) -> None:
    opened(page, served)
    shown = page.run("document.body.innerText")
    for figure in (
        "7,081", "118.0 a second", "5 of 5", "380 of 380 tokens now", "41", "3.0 MiB",
        "312 not closed", "12,000.25", "0.615", "21:27:58", "2026-05-27 22:00", "South Town",
        "Between 1,200 and 6,100 a minute",
    ):  # fmt: skip
        assert figure in shown, figure
    bars = page.run("[...document.querySelectorAll('#chart rect')].length")
    assert bars == len([count for count in pages.told()["trades"]["minutes"] if count])
    assert "minutes ago" in text(page, "#chart")
    assert "trades a minute" in text(page, "#chart")


def test_what_of_today_is_missing_is_never_100_percent(page: Browser, served: Tracker) -> None:
    assert served.says is not None
    served.says["coverage"] |= {
        "wanted_token_s": 2_000_000.0, "gap_token_s": 1.0, "blackout_s": 400.0, "down_s": 310.0,
    }  # fmt: skip
    opened(page, served)
    assert text(page, "#coverage") == "99.99 %"
    assert "tracker was down for 5 min; blackout of 90 s" in text(page, "#coverage-note")


def test_a_document_without_the_latest_is_shown_with_that_unknown(
    page: Browser, served: Tracker
) -> None:
    told = pages.told()
    del told["latest"]
    served.says = told
    opened(page, served)
    assert "Not known" in text(page, "#no-trades")
    assert page.run("document.getElementById('trades-table').hidden") is True
    nothing = {"question": None, "winner": None}
    told["latest"] = {"trades": [nothing], "resolutions": [nothing]}
    page.until("!document.getElementById('trades-table').hidden")
    assert text(page, "#trades-table tbody tr") == "not known" * 6
    told["latest"] = {"trades": [], "resolutions": []}
    page.until("document.getElementById('no-trades').textContent.startsWith('No trade since')")
    told["latest"]["resolutions"] = [{"question": "Half?", "winner": ""}]
    page.until("!document.getElementById('resolutions-table').hidden")
    assert "Half?split" in text(page, "#resolutions-table tbody")
    assert page.said == []


def test_it_is_renewed_in_place(page: Browser, served: Tracker) -> None:
    opened(page, served)
    page.run("window.kept = document.querySelector('#trades-table tbody tr'); window.mark = 1")
    assert served.says is not None
    served.says["latest"]["trades"][0]["outcome"] = "Perhaps"
    page.until(f"{TEXT.format('#trades-table tbody')}.includes('Perhaps')")
    assert page.run("window.mark === 1 && window.kept.isConnected") is True
    announced = text(page, "#announced")
    served.says["reasons"], served.says["state"] = ["the disk is full"], "degraded"
    served.says["codes"], served.says["levels"] = ["disk_low"], ["degraded"]
    page.until(f"{STATE} === 'degraded'")
    assert text(page, "#announced") == "Degraded: the disk is full" != announced


@pytest.mark.parametrize("width", [320, 360, 700, 900, 1_400])
def test_it_is_as_wide_as_its_window_whatever_stands_in_it(
    page: Browser, served: Tracker, width: int
) -> None:
    assert served.says is not None
    for number, one in enumerate(served.says["latest"]["trades"]):
        one.update(dict.fromkeys(one, ATTACKS[number % 3 + 7]))
    served.says["reasons"] = ["b" * 500]
    opened(page, served, width=width)
    assert page.run("document.documentElement.scrollWidth") == width
    assert page.run("document.documentElement.scrollHeight") < 12_000
    # Nothing grows out of its cell over others, as marks above marks would.
    assert page.run(
        "[...document.querySelectorAll('tbody td, tbody th')].every(cell =>"
        " getComputedStyle(cell.firstElementChild || cell).overflow === 'hidden'"
        " || cell.textContent.length < 20)"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_can_be_read(page: Browser, served: Tracker, scheme: str) -> None:
    """The contrast of WCAG AA, 4.5, for all colours of text and each state."""
    opened(page, served, scheme=scheme)
    colours = page.run(
        "(() => { const s = getComputedStyle(document.documentElement);"
        " return Object.fromEntries(['paper', 'ink', 'soft', 'good', 'warn', 'bad'].map("
        " name => [name, s.getPropertyValue('--' + name).trim()])) })()"
    )
    background = colours.pop("paper")
    assert (luminance(background) < 0.5) == (scheme == "dark")
    assert len(colours) == 5
    for colour in colours.values():
        low, high = sorted((luminance(background), luminance(colour)))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour such as #1c1c1a."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_screen_reader_is_told_headings_and_tables(page: Browser, served: Tracker) -> None:
    for width in (360, 1_000):
        opened(page, served, width=width)
        told = page.accessible()
        headings = [name for role, name in told if role == "heading"]
        assert headings[0] == "Healthy"
        assert "Last trades" in headings
        tables = [name for role, name in told if role == "table"]
        assert tables == [
            "Last trades", "Last resolutions", "Resolutions and their sources", "Connections",
        ]  # fmt: skip
        assert ("columnheader", "Outcome") in told
        assert ("rowheader", "b-0002") in told
        assert [role for role, _ in told if role == "status"] == ["status"]
        (chart,) = (name for role, name in told if role == "image")
        assert "Between 1,200 and 6,100" in chart


# ---------------------------------------------------------------------- what it never does


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_a_hostile_text_is_text_and_nothing_else(
    page: Browser, served: Tracker, attack: str
) -> None:
    told = pages.told()
    for each in (*told["latest"]["trades"], *told["latest"]["resolutions"]):
        each.update(dict.fromkeys(each, attack))
    told["host"] = told["version"] = told["database"]["state"] = attack
    told["resolutions"]["pending"] = {attack: 1}
    told["resolutions"]["sources"] = {attack: {**told["resolutions"]["sources"]["gamma"]}}
    told["resolutions"]["sources"][attack]["state"] = attack
    told["reasons"], told["codes"] = [attack, attack], [attack, "x"]
    told["levels"], told["state"] = ["degraded", "attention"], "degraded"
    told["connections"]["list"][0].update(id=attack, state=attack, last_reason=attack)
    served.says = told
    opened(page, served)
    elements = page.run("document.querySelectorAll('*').length")
    assert page.run("document.querySelectorAll('#told *').length") < elements
    assert page.run("document.scripts.length") == 1
    assert page.run("document.querySelectorAll('img, iframe, style ~ style, a').length") == 0
    assert page.run("document.querySelectorAll('h1').length") == 1
    assert page.run(STATE) == "degraded"
    assert "owned" not in page.run("document.title").partition(" · ")[0]
    hidden = (
        r"[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
    )
    assert page.run(f"/{hidden}/u.test(document.querySelector('main').textContent)") is False
    assert page.said == []
    assert {url.rpartition("/")[0] + "/" for url in page.requested} == {served.url}


def test_no_request_leaves_its_own_port(page: Browser, served: Tracker) -> None:
    opened(page, served)
    page.skip(60)
    assert set(page.requested) == {served.url, f"{served.url}status.json"}
    assert 10 <= page.requested.count(f"{served.url}status.json") <= 14
    assert page.said == []


def test_what_gets_into_the_page_in_spite_of_all_runs_nothing(
    page: Browser, served: Tracker
) -> None:
    opened(page, served)
    page.run(
        "(() => { const b = document.createElement('p'); document.body.append(b);"
        " try { b.setAttribute('onclick', 'window.bad = 1') } catch {} b.click();"
        " const s = document.createElement('script');"
        " try { s.append('window.bad = 2') } catch {} document.body.append(s) })()"
    )
    assert page.run("window.bad === undefined") is True
    assert page.run("fetch('http://127.0.0.1:9/x').then(() => 'sent', () => 'kept')") == "kept"
    assert page.run("(() => { try { document.body.innerHTML = '<b>x</b>'; return 'set' }"
                    " catch (error) { return error.name } })()") == "TypeError"  # fmt: skip
    assert any("Content Security Policy" in each for each in page.said)


# -------------------------------------------------------------------- a tracker that is gone


def gone(page: Browser) -> None:
    """Look for all signs that nothing on the page is of now."""
    assert page.run(STATE) == "gone"
    assert text(page, "#headline").startswith("No answer")
    assert page.run("document.title").startswith("no answer")
    assert "healthy" not in page.run("document.title")
    assert "Healthy" not in text(page, "main .state")
    assert text(page, "#announced").startswith("No answer")


def test_a_tracker_that_was_killed_is_not_healthy_any_more(page: Browser, served: Tracker) -> None:
    opened(page, served)
    assert text(page, "#headline") == "Healthy"
    served.die()
    page.skip(30)
    gone(page)
    assert "was so at 2026-05-28 21:28:01 UTC" in text(page, "#hint")
    assert page.run("+getComputedStyle(document.getElementById('told')).opacity") < 0.5
    seconds = int(text(page, "#age").removeprefix("Last answer ").removesuffix(" s ago"))
    assert 15 <= seconds <= 60


def test_a_supervisor_that_does_not_answer_is_not_healthy_either(
    page: Browser, served: Tracker
) -> None:
    opened(page, served)
    served.says = None
    page.skip(30)
    gone(page)
    assert "supervisor does not answer" in text(page, "#hint")


def test_a_copy_that_something_keeps_is_not_news(page: Browser, served: Tracker) -> None:
    """A proxy may answer for a tracker that is gone."""
    served.renews = False
    opened(page, served)
    page.skip(30)
    gone(page)
    assert served.asked > 4


def test_a_document_that_cannot_be_shown_is_no_sign_of_health(
    page: Browser, served: Tracker
) -> None:
    opened(page, served)
    assert served.says is not None
    del served.says["trades"]
    page.skip(30)
    gone(page)


def test_a_page_that_was_never_answered_says_so(page: Browser, served: Tracker) -> None:
    served.says = None
    page.open(served.url)
    page.until(f"{STATE} === 'gone'")
    gone(page)
    assert text(page, "#age") == "No answer yet"
    served.says = pages.told()
    page.until(f"{STATE} === 'healthy'")
    assert text(page, "#headline") == "Healthy"


def test_one_question_that_fails_changes_nothing_yet(page: Browser, served: Tracker) -> None:
    opened(page, served)
    answered = served.asked
    served.says, said = None, served.says
    end = time.monotonic() + 20
    while served.asked == answered and time.monotonic() < end:
        time.sleep(0.05)
    assert page.run(STATE) == "healthy"
    served.says = said
    assert json.dumps(page.said) == "[]"
