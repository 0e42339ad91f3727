"""Pictures of reports: `make screens` renews docs/images/report-*.png.

They are of a stored day (`stored_day.py`), and of one market of it. Two are kept; pictures of all,
light, dark and narrow, go to build/report, which is not kept.
"""

import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from actors.database.schema import migrate
from actors.database.server.embedded import Embedded
from actors.dataset.report import program
from tests.browser import CHROMIUM, WITHOUT, Browser, browser
from tests.dataset.stored_day import StoredDay, slug
from tests.live.processes import as_url
from tests.png import smaller
from tests.postgres import FAST, Server, memory, open_folder

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "images"
ALL = ROOT / "build" / "report"
REPORTS = {
    "day": ("--day", "2026-03-01"),
    "market": ("--market", slug(3), "--day", "2026-03-01"),
    "week": ("--from", "2026-02-26", "--to", "2026-03-05"),
    "life": ("--market", slug(3)),
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"width": 1_040},
    "dark": {"width": 1_040, "scheme": "dark"},
    "narrow": {"width": 360},
}
SHOWN = {"day-light": ("report-day.png", 3_260), "market-dark": ("report-market.png", 1_480)}
"""The pictures that are kept, and how much of each: what is below are tables."""


def _written(folder: Path) -> dict[str, Path]:
    """Write the reports, and return where each of them is."""
    with open_folder(memory()) as root:
        embedded = Embedded(root / "pg", options=FAST)
        embedded.start()
        try:
            with Server(embedded.dsn("postgres")).database() as dsn:
                migrate.apply(dsn)
                day = StoredDay(60, 40_000)
                day.fill(dsn)
                day.compute(dsn)
                environ = {"TRACKER_DATABASE_URL": as_url(dsn), "TRACKER_STATE_DIR": f"{root}/s"}
                places = {name: folder / f"{name}.html" for name in REPORTS}
                for name, arguments in REPORTS.items():
                    asked = (*arguments, "--out", str(places[name]))
                    code = program.main(asked, environ=environ, today=lambda: date(2026, 3, 10))
                    assert code == 0, name
                return places
        finally:
            embedded.stop()


def open_report(page: Browser, place: Path, **look: Any) -> None:
    """Open a report in a window of this look."""
    page.open(place.as_uri(), **look)
    page.until(f"location.href === {place.as_uri()!r} && document.readyState === 'complete'")


def main() -> int:
    """Write all of them."""
    if CHROMIUM is None:
        sys.stderr.write(f"pictures of reports are left as they are: {WITHOUT}\n")
        return 0
    ALL.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as page:
        for name, place in _written(Path(folder)).items():
            for look, window in LOOKS.items():
                open_report(page, place, **window)
                (ALL / f"{name}-{look}.png").write_bytes(page.picture())
                if kept := SHOWN.get(f"{name}-{look}"):
                    (KEPT / kept[0]).write_bytes(smaller(page.picture(kept[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
