"""The list of the deciding modules names what is there, and everything that decides."""

from pathlib import Path

import pytest

from tests.architecture.deciding import ROOT, modules, pattern


@pytest.mark.parametrize("name", modules())
def test_a_module_of_the_list_is_there(name: str) -> None:
    place = ROOT.joinpath(*name.split("."))
    assert place.is_dir() or place.with_suffix(".py").is_file()


def test_the_pattern_names_files_that_are_there() -> None:
    for part in pattern().split(","):
        assert list(Path(ROOT).glob(part)), part


def test_each_package_that_decides_something_is_in_the_list() -> None:
    packages = {name.split(".")[1] for name in modules()}
    assert packages >= {"model", "feed", "catalog", "resolution", "writer", "supervision", "health"}
