"""`make install` lays out what the unit expects, and systemd accepts the unit."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.config.load import load
from actors.config.paths import usual_sockets
from actors.config.settings import Config
from tests.docs.test_pages import links
from tests.postgres import open_folder

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
SECURITY = ROOT / "docs" / "explanation" / "security.md"
UNIT = (SYSTEMD / "tracker.service").read_text()
EXAMPLE = (SYSTEMD / "tracker.conf.example").read_text()
ANALYZE = shutil.which("systemd-analyze")
UNITS = ("tracker.service", "tracker@.service", "tracker-blue.service", "tracker-green.service")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def install(*variables: str) -> "subprocess.CompletedProcess[str]":
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    return subprocess.run(
        [make, "--no-print-directory", "install", "INSTALL_VENV=no", *variables],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")},
    )


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ((), "/opt/tracker/docs/how-to/runbooks.md"),
        (("PREFIX=/srv/tracker",), "/srv/tracker/docs/how-to/runbooks.md"),
        (("RUNBOOKS=https://wiki.example/run?id=7",), "https://wiki.example/run?id=7"),
    ],
)
def test_alerts_and_dashboard_lead_to_the_runbooks_that_are_named(
    tmp_path: Path, given: tuple[str, ...], page: str
) -> None:
    done = install(f"DESTDIR={tmp_path}", *given)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("*/tracker/systemd")
    alerts = (folder / "prometheus-alerts.yml").read_text()
    urls = set(re.findall(r"runbook_url: ([^#\s]+)#\w+", alerts))
    assert urls == {page}
    links = re.findall(r'"url": "([^#"]+)', (folder / "grafana-dashboard.json").read_text())
    assert {link for link in links if "runbooks" in link or page in link} == {page}
    there = (SYSTEMD / "prometheus-alerts.yml").read_text()
    assert alerts == there.replace(": docs/how-to/runbooks.md#", f": {page}#")


def test_an_address_of_runbooks_that_no_file_can_hold_is_rejected(tmp_path: Path) -> None:
    done = install(f"DESTDIR={tmp_path}", "RUNBOOKS=https://wiki.example/#a|b")
    assert done.returncode != 0
    assert "RUNBOOKS must be a plain path or URL" in done.stdout
    assert tree(tmp_path) == {}


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    assert ANALYZE is not None
    return subprocess.run(
        [ANALYZE, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def words(line: str) -> list[str]:
    (found,) = re.findall(rf"^{line}=(.*)$", UNIT, re.MULTILINE)
    return str(found).split()


def uncommented() -> str:
    return re.sub(r"^#(?=\w+ = )", "", EXAMPLE, flags=re.MULTILINE)


def without_comments(path: Path) -> str:
    lines = path.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() and line.lstrip()[0] != "#")


LOCKS = ("requirements.lock", "requirements-dataset.lock", "requirements-dev.lock")
"""Each holds what the one before it holds, and more."""


def locked(name: str) -> dict[str, str]:
    """Return each package of a lock file with its version and hashes."""
    text = without_comments(ROOT / name)
    blocks = re.findall(r"^(\S+)==(\S+ .*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return dict(blocks)


def wanted(section: str, key: str) -> set[str]:
    """Return the names of the packages that setup.cfg asks for."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = [line for line in setup[section][key].splitlines() if line and line[0] != "#"]
    return {re.split(r"[^\w-]", line)[0] for line in lines}


def test_a_server_installs_what_runs_and_no_tools() -> None:
    runs, exports, tools = (locked(name) for name in LOCKS)
    extras = "options.extras_require"
    needed = wanted("options", "install_requires") | wanted(extras, "embedded")
    assert needed | wanted(extras, "simulator") <= set(runs)
    assert not (wanted(extras, "dataset") | wanted(extras, "dev")) & set(runs)
    assert wanted(extras, "dataset") <= set(exports)
    # matplotlib needs one that is also a tool of ours.
    assert wanted(extras, "dev") & set(exports) <= {"packaging"}
    assert wanted(extras, "dev") <= set(tools)


def test_all_locks_name_the_same_versions_with_hashes() -> None:
    runs, exports, tools = (locked(name) for name in LOCKS)
    assert {name: exports.get(name) for name in runs} == runs
    assert {name: tools.get(name) for name in exports} == exports
    assert all("--hash=sha256:" in said for said in tools.values())


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_nothing_but_one_version_of_each_package_and_its_hashes(name: str) -> None:
    digest = r" {4}--hash=sha256:[0-9a-f]{64}"
    whole = rf"(\S+==\S+( ; [^\\\n]+)? \\\n({digest} \\\n)*{digest}\n)+"
    assert re.fullmatch(whole, without_comments(ROOT / name))


@pytest.fixture
def laid_out(tmp_path: Path) -> Path:
    done = install(f"DESTDIR={tmp_path}")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_the_commands_of_the_page_are_those_of_the_evidence() -> None:
    walk = (SYSTEMD / "README.md").read_text().split("```\n")[1]
    evidence = (ROOT / "docs" / "evidence" / "installation.md").read_text()
    first, *others = walk.splitlines()
    assert len(others) == 9
    assert re.search(rf"^Line 1, not \w+: `{re.escape(first)}`$", evidence, re.MULTILINE)
    for line in others:
        assert f"\n$ {line}\n" in evidence, "run it again: make installation"


def test_what_a_module_reads_is_laid_out_and_in_the_package(laid_out: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    data = setup["options.package_data"]
    others = [
        path.relative_to(ROOT)
        for path in (ROOT / "actors").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]

    assert Path("actors/health/web/page.html") in others
    for path in others:
        package = ".".join(path.parent.parts)
        assert any(path.match(pattern.strip()) for pattern in data[package].split(",")), path
        assert (laid_out / "opt/tracker" / path).read_bytes() == (ROOT / path).read_bytes()


def test_every_path_of_the_unit_is_laid_out(laid_out: Path) -> None:
    paths = re.findall(r"(/(?:opt|etc)/tracker[\w./-]*)", UNIT)
    made_elsewhere = {"/opt/tracker/.venv/bin/python", "/etc/tracker/credentials/database_url"}

    assert paths
    for path in set(paths) - made_elsewhere:
        assert (laid_out / path.removeprefix("/")).exists(), path
    assert (
        "f /etc/tracker/credentials/database_url"
        in (laid_out / "etc/tmpfiles.d/tracker.conf").read_text()
    )


def test_every_link_of_the_installed_pages_leads_somewhere(laid_out: Path) -> None:
    home = laid_out / "opt/tracker"
    pages = sorted(home.rglob("*.md"))
    gone = [
        f"{page.relative_to(home)}: {to}"
        for page in pages
        for to in links(page)
        if not (page.parent / to.partition("#")[0]).exists()
    ]

    assert len(pages) > 15
    assert gone == []


def test_the_installed_program_runs_as_the_unit_runs_it(laid_out: Path, tmp_path: Path) -> None:
    """Attack: modules of others in the working directory, in a variable, of the user."""
    _, *flags, program, config, file = words("ExecStart")
    command = [str(laid_out / word.removeprefix("/")) for word in (program, file)]
    planted = tmp_path / "planted"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for place in (planted, planted / "lib" / version / "site-packages"):
        place.mkdir(parents=True, exist_ok=True)
        for name in ("sitecustomize", "usercustomize", "json", "msgspec", "actors"):
            (place / f"{name}.py").write_text("raise SystemExit(99)\n")

    def run(given: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
        with open_folder() as home:
            return subprocess.run(
                [sys.executable, *given, command[0], config, command[1], "--check"],
                cwd=planted,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                env={"STATE_DIRECTORY": f"{home}/state", **variables},
            )

    for attack in ({"PYTHONPATH": str(planted)}, {"PYTHONUSERBASE": str(planted)}):
        done = run(flags, **attack)
        assert done.returncode == 0, done.stderr
        assert "all is well" in done.stdout
        assert "STATE_DIRECTORY" in done.stdout
    caught = run([], PYTHONPATH=str(planted))
    assert caught.returncode != 0, "the attack works where nothing stops it"
    assert "SystemExit: 99" in caught.stderr


def test_programs_are_for_everyone_and_the_rest_is_not_executable(laid_out: Path) -> None:
    home = laid_out / "opt/tracker"
    for path in home.rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o755 if path.is_dir() or path.parent.name == "bin" else 0o644), path
    assert not list(home.rglob("__pycache__"))
    assert not list(home.rglob("test_*.py"))


def test_a_second_install_changes_nothing_and_keeps_settings(laid_out: Path) -> None:
    settings = laid_out / "etc/tracker/tracker.conf"
    settings.write_text("redundancy = 3\n")
    stale = laid_out / "opt/tracker/actors/gone.py"
    before = tree(laid_out)
    stale.write_text("")
    done = install(f"DESTDIR={laid_out}")

    assert done.returncode == 0, done.stderr
    assert tree(laid_out) == before


@pytest.mark.parametrize("prefix", ["", "/", "//", "opt/tracker", "/opt/a b", "/opt/a;b"])
def test_a_prefix_that_could_do_harm_is_rejected(tmp_path: Path, prefix: str) -> None:
    done = install(f"DESTDIR={tmp_path}", f"PREFIX={prefix}")

    assert done.returncode != 0
    assert "PREFIX" in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_example_names_every_setting_once() -> None:
    assert list(tomllib.loads(uncommented())) == list(Config.model_fields)


def test_the_example_sets_nothing_while_it_is_commented_out() -> None:
    assert tomllib.loads(EXAMPLE) == {}


def test_the_example_holds_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "tracker.conf"
    file.write_text(uncommented())
    file.chmod(0o600)
    config = load(["--config", str(file)], {}, credentials=None).config
    bare = Config()
    differing = {n for n in Config.model_fields if getattr(config, n) != getattr(bare, n)}

    # What has no default of its own, or one that depends on where it runs, has an example.
    assert differing == {
        "database_url", "state_dir", "status_socket", "user_agent", "journal_max_bytes",
        "metrics_port",
    }  # fmt: skip


def test_credentials_of_the_unit_are_settings() -> None:
    for loaded in words("LoadCredential"):
        assert loaded.partition(":")[0] in Config.model_fields


def test_the_page_beside_the_unit_explains_each_line() -> None:
    page = (SYSTEMD / "README.md").read_text()
    keys = set(re.findall(r"^(\w+)=", UNIT, re.MULTILINE))

    assert {key for key in keys if not re.search(rf"`{key}\b", page)} == set()


def test_the_template_is_the_unit_with_places_of_its_own() -> None:
    template = (SYSTEMD / "tracker@.service").read_text().splitlines()
    plain = UNIT.splitlines()
    own = [line for line in template if line not in plain]

    assert [line for line in plain if line not in template and line[0] != "#"] == [
        "Description=Polymarket trade tracker",
        "User=tracker",
        "StateDirectory=tracker",
        "RuntimeDirectory=tracker",
        "WorkingDirectory=/var/lib/tracker",
        "SyslogIdentifier=tracker",
    ]
    assert [line.partition("=")[0] for line in own[1:]] == [
        "Description", "User", "StateDirectory", "RuntimeDirectory", "Environment",
        "WorkingDirectory", "SyslogIdentifier",
    ]  # fmt: skip
    assert all("%i" in line.lower() for line in own[1:])


@pytest.mark.parametrize(("color", "other"), [("blue", "green"), ("green", "blue")])
def test_the_two_that_take_turns_differ_in_their_places_alone(color: str, other: str) -> None:
    text = (SYSTEMD / f"tracker-{color}.service").read_text()
    counterpart = (SYSTEMD / f"tracker-{other}.service").read_text()
    assert text.replace(color, "*").replace(other, color).replace("*", other) == counterpart
    own = [line for line in text.splitlines() if line not in UNIT.splitlines()]
    lacking = [line for line in UNIT.splitlines() if line not in text.splitlines()]

    assert len([line for line in lacking if line[0] != "#"]) == 7
    assert [line for line in own if line[0] != "#"] == [
        f"Description=Polymarket trade tracker, {color}",
        "Documentation=file:/opt/tracker/docs/how-to/upgrade.md",
        f"User=tracker-{color}",
        f"StateDirectory=tracker-{color}",
        f"RuntimeDirectory=tracker-{color}",
        f"WorkingDirectory=/var/lib/tracker-{color}",
        f"SyslogIdentifier=tracker-{color}",
    ]
    assert f"/run/tracker-{color}/tracker.sock" in map(str, usual_sockets({}))


def test_a_new_version_can_be_laid_out_beside_the_one_that_runs(laid_out: Path) -> None:
    before = tree(laid_out)
    done = install(
        f"DESTDIR={laid_out}", "PREFIX=/opt/tracker-green", "UNITS=tracker-green.service"
    )
    assert done.returncode == 0, done.stderr
    after = tree(laid_out)
    changed = {path for path in before if after[path] != before[path]}
    assert changed == {"etc/systemd/system/tracker-green.service"}
    assert all(path.startswith("opt/tracker-green/") for path in after.keys() - before.keys())
    unit = after["etc/systemd/system/tracker-green.service"].decode()
    assert "ExecStart=/opt/tracker-green/.venv/bin/python" in unit
    assert "ExecPaths=/opt/tracker-green " in unit


@needs_systemd
def test_systemd_accepts_the_unit_wherever_it_is_installed(tmp_path: Path) -> None:
    home = tmp_path / "opt/tracker"
    done = install(f"PREFIX={home}", f"DESTDIR={tmp_path / 'root'}")
    assert done.returncode == 0, done.stderr
    shutil.copytree(tmp_path / "root" / str(home).removeprefix("/"), home)
    python = home / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    units = tmp_path / "root/etc/systemd/system"
    (units / "tracker@1-2.service").symlink_to("tracker@.service")
    for name in (*UNITS, "tracker@1-2.service"):
        if "@." in name:
            continue
        said = analyze("verify", "--man=no", str(units / name))
        assert str(home) in (units / name).read_text()
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def hardening(unit: str) -> list[str]:
    """Return the lines of a unit that lock it down."""
    return unit.partition("# Hardening\n")[2].partition("\n\n")[0].splitlines()


def explained() -> Iterator[str]:
    """Yield each line that the page beside the units explains: one without a value is on."""
    table = (SYSTEMD / "README.md").read_text().partition("### Hardening\n")[2].partition("###")[0]
    for row in re.findall(r"^\| (`.*?) \| ", table, re.MULTILINE):
        calls = re.match(r"`(SystemCallFilter=)([^`]+)` minus `([^`]+)`, plus `([^`]+)`", row)
        for name, value in re.findall(r"`([A-Z]\w+)(=[^`]*)?`", row):
            if calls and name == "SystemCallFilter":
                yield from (f"{calls[1]}{what}" for what in (calls[2], f"~{calls[3]}", calls[4]))
            elif name == "ExecPaths":  # where the program lies
                (paths,) = (line for line in hardening(UNIT) if line.startswith("ExecPaths="))
                yield paths
            else:
                yield f"{name}{value or '=yes'}"


@pytest.mark.parametrize("name", UNITS)
def test_each_unit_has_each_line_that_the_page_explains_and_no_weaker_one(name: str) -> None:
    wanted = list(explained())
    assert len(wanted) > 30
    assert sorted(hardening((SYSTEMD / name).read_text())) == sorted(wanted)
    assert "/tmp" not in words("ExecPaths")
    assert not {"/", "/var", "/home"} & set(words("ExecPaths"))


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_the_units_are_locked_down(tmp_path: Path, name: str) -> None:
    unit = tmp_path / name.replace("@", "@1-2")
    shutil.copy(SYSTEMD / name, unit)
    said = analyze("security", "--offline=yes", "--no-pager", str(unit))
    assert said.returncode == 0, said.stdout[-400:] + said.stderr
    (figure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    measured = analyze("--version").stdout.split()[1]
    told = {page: page.read_text() for page in (SYSTEMD / "README.md", SECURITY)}
    for page, text in told.items():
        ((version, level),) = re.findall(
            r"`systemd-analyze security --offline=yes` of systemd (\d+)[^|\n]*? ([\d.]+) \(OK\)",
            text,
        )
        # Each version counts other things.
        assert figure == level if version == measured else float(figure) < 2, page
