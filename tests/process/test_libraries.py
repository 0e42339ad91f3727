"""A program without its libraries says in one line what to do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actors.process.libraries import end_without
from tests.live.processes import ROOT

PROGRAMS = ("tracker", "tracker-export", "tracker-report", "tracker-simulator", "tracker-status")


def without_libraries(program: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program with a Python that finds nothing but the standard library."""
    # -S: no site-packages, as in a Python of its own; -I: no other directories.
    return subprocess.run(
        [sys.executable, "-S", "-I", str(program)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project as it is cloned: without `.venv`."""
    for name in ("bin", "actors"):
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / "project" / name, ignore=leave)
    return tmp_path / "project"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_clone_that_nothing_has_set_up_says_how(program: str, project: Path) -> None:
    ended = without_libraries(project / "bin" / program)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (78, "", 1)
    assert ended.stderr.startswith(f"{program}: the library ")
    assert f"run `make demo` in {project} once, or `make install`" in ended.stderr


def test_libraries_that_this_user_may_not_use_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    missing = ModuleNotFoundError("No module named 'msgspec'", name="msgspec")
    with pytest.raises(SystemExit) as ended:
        end_without(missing, "tracker", tmp_path)
    assert ended.value.code == 78
    assert f"{python} cannot be run by this user" in capsys.readouterr().err
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    with pytest.raises(SystemExit):
        end_without(missing, "tracker", tmp_path)
    assert f"remove {tmp_path / '.venv'} and run `make demo`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("library", "what"),
    [
        ("pyarrow", "install the extra dataset: pip install '.[dataset]' in a copy of"),
        ("aiohttp", "install the extra simulator: pip install '.[simulator]' in a copy of"),
        ("matplotlib", "install the extra dataset: pip install '.[dataset]' in a copy of"),
        ("msgspec", "install polymarket-tracker again"),
    ],
)
def test_what_pip_left_out_is_told_in_words_of_pip(
    library: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        end_without(ModuleNotFoundError(name=library), "tracker", None)
    assert ended.value.code == 78
    assert f"the library {library} is missing; {what}" in capsys.readouterr().err


def test_an_extra_that_is_not_installed_is_told_where_the_others_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    missing = ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow.parquet")
    with pytest.raises(SystemExit) as ended:
        end_without(missing, "tracker-export", tmp_path)
    assert ended.value.code == 78
    said = "the library pyarrow is missing; install it with the others: `make install DATASET=yes`"
    assert said in capsys.readouterr().err
    (tmp_path / "Makefile").touch()
    with pytest.raises(SystemExit):
        end_without(missing, "tracker-export", tmp_path)
    assert f"run `make dataset` in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["actors.cli.main", None])
def test_a_part_of_the_program_that_is_missing_is_a_fault_of_ours(name: str | None) -> None:
    with pytest.raises(ImportError, match="gone"):
        end_without(ImportError("gone", name=name), "tracker", ROOT)
