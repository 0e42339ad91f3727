"""The SQL and the programs are found in a copy of the repository, as installed, and in a wheel."""

from pathlib import Path

import pytest

from actors import installed
from actors.database import queries
from actors.errors import ConfigError
from tests.live.processes import ROOT


@pytest.fixture
def package(tmp_path: Path) -> Path:
    made = tmp_path / "place" / "actors"
    made.mkdir(parents=True)
    return made


def test_beside_the_package_as_in_a_copy_of_the_repository_or_installed(package: Path) -> None:
    for name in ("sql", "bin"):
        (package.parent / name).mkdir()
    (package.parent / "bin" / "tracker").touch()

    assert installed.sql_folder(package) == package.parent / "sql"
    assert installed.project(package) == package.parent
    assert installed.program("tracker", package) == package.parent / "bin" / "tracker"


def test_within_the_package_as_in_a_wheel(package: Path) -> None:
    (package / "sql").mkdir()
    # A folder of that name beside it is another package's.
    (package.parent / "sql").mkdir()

    assert installed.sql_folder(package) == package / "sql"
    assert installed.project(package) is None


def test_a_program_that_pip_did_not_make_is_named(package: Path) -> None:
    with pytest.raises(ConfigError, match="the program tracker-gone is not there: install"):
        installed.program("tracker-gone", package)


def test_here_they_are_those_of_this_copy() -> None:
    assert ROOT / "sql" == queries.SQL
    assert installed.program("tracker-status") == ROOT / "bin" / "tracker-status"
