"""`make install DATASET=yes` lays out what exports need, and systemd accepts their units."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.test_install import (
    ROOT,
    SYSTEMD,
    analyze,
    explained,
    hardening,
    install,
    needs_systemd,
    tree,
)

SERVICE = (SYSTEMD / "tracker-export.service").read_text()
TIMER = (SYSTEMD / "tracker-export.timer").read_text()
UNITS = {"tracker-export.service", "tracker-export.timer"}


@pytest.mark.parametrize("dataset", [True, False])
def test_units_and_lock_of_exports_come_with_their_libraries(
    tmp_path: Path, *, dataset: bool
) -> None:
    done = install(f"DESTDIR={tmp_path}", *(["DATASET=yes"] if dataset else []))
    assert done.returncode == 0, done.stderr
    there = {Path(name).name for name in tree(tmp_path)}
    assert there >= UNITS if dataset else there.isdisjoint(UNITS)
    assert ("requirements-dataset.lock" in there) == dataset
    assert ("requirements.lock" in there) != dataset
    assert (tmp_path / "opt/tracker/bin/tracker-export").exists()


def test_the_service_is_locked_down_as_the_tracker_and_each_line_is_explained() -> None:
    assert sorted(hardening(SERVICE)) == sorted(explained())
    page = (SYSTEMD / "README.md").read_text()
    for key in set(re.findall(r"^(\w+)=", SERVICE + TIMER, re.MULTILINE)):
        assert re.search(rf"`{key}\b", page), key


def test_the_user_of_the_service_is_made() -> None:
    (user,) = re.findall(r"^User=(.*)$", SERVICE, re.MULTILINE)
    assert re.search(rf"^u {user} - ", (SYSTEMD / "tracker.sysusers").read_text(), re.MULTILINE)


def test_the_command_of_the_service_is_one_that_the_program_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from actors.dataset.export.program import main  # noqa: PLC0415 - its libraries are an extra

    (words,) = re.findall(r"^ExecStart=.*?/bin/tracker-export (.*)$", SERVICE, re.MULTILINE)
    argv = words.replace("/etc/tracker/tracker.conf", f"{tmp_path}/conf").split()
    (tmp_path / "conf").write_text('database_url = "postgresql://a@127.0.0.1:9/b"\n')
    assert main(argv, environ={}) == 74
    assert "Connection refused" in capsys.readouterr().err


@needs_systemd
def test_systemd_accepts_the_units_of_exports(tmp_path: Path) -> None:
    home = tmp_path / "opt/tracker"
    done = install(f"PREFIX={home}", f"DESTDIR={tmp_path / 'root'}", "DATASET=yes")
    assert done.returncode == 0, done.stderr
    shutil.copytree(tmp_path / "root" / str(home).removeprefix("/"), home)
    python = home / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    for name in sorted(UNITS):
        said = analyze("verify", "--man=no", str(tmp_path / "root/etc/systemd/system" / name))
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@needs_systemd
def test_the_service_of_exports_is_as_little_exposed(tmp_path: Path) -> None:
    shutil.copy(SYSTEMD / "tracker-export.service", tmp_path)
    unit = str(tmp_path / "tracker-export.service")
    said = analyze("security", "--offline=yes", "--no-pager", unit)
    (figure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert float(figure) < 2


def test_the_page_names_the_timer_and_its_time() -> None:
    page = (ROOT / "docs/how-to/export.md").read_text()
    (at,) = re.findall(r"^OnCalendar=\S+ (\d\d:\d\d):00 UTC$", TIMER, re.MULTILINE)
    assert f"`tracker-export.timer` exports yesterday at {at} UTC" in page
