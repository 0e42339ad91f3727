"""The unit under a real systemd: started, hung, crashed, misconfigured, stopped, queried."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.health.schema_check import faults
from tests.live.machine import Machine, missing

WHY_NOT = missing()
pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT),
]

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "reference" / "status.schema.json").read_text()
)
STATUS = ("/opt/tracker/.venv/bin/python", "/opt/tracker/bin/tracker-status", "--field", "state")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Return a booted machine; the tests of this module share it."""
    made = Machine(tmp_path_factory.mktemp("machine"))
    try:
        made.boot()
        yield made
    finally:
        made.halt()


def test_it_is_ready_while_database_and_exchange_are_away(machine: Machine) -> None:
    machine.started()
    assert (machine.show("ActiveState"), machine.show("SubState")) == ("active", "running")
    assert '"event": "started"' in machine.log()


def test_the_document_of_a_real_tracker_obeys_the_published_schema(machine: Machine) -> None:
    machine.started()
    said = machine.run(*STATUS[:2], "--json")
    assert said.returncode == 1, said.stderr
    assert faults(json.loads(said.stdout), SCHEMA, SCHEMA) == []


def test_instances_with_shares_of_the_work_run_beside_each_other(machine: Machine) -> None:
    machine.run("systemctl", "stop", "tracker")
    names = ("tracker@1-2", "tracker@2-2")
    try:
        for name in names:
            started = machine.run("systemctl", "start", name)
            assert started.returncode == 0, started.stderr + machine.log()[-2000:]
        for number in (1, 2):
            place = f"/run/tracker-{number}-2/tracker.sock"
            assert machine.run(*STATUS, "--socket", place).returncode == 1
            shown = machine.run(
                "systemctl", "show", names[number - 1], "-p", "Environment", "--value"
            ).stdout
            assert f"TRACKER_SHARD={number}/2" in shown.split()
    finally:
        machine.run("systemctl", "stop", *names)


def test_two_that_take_turns_run_beside_each_other_and_know_it(machine: Machine) -> None:
    machine.run("systemctl", "stop", "tracker")
    names = ("tracker-blue", "tracker-green")
    before = len(machine.log())
    try:
        for name in names:
            started = machine.run("systemctl", "start", name)
            assert started.returncode == 0, started.stderr + machine.log()[-2000:]
            assert machine.run(*STATUS, "--socket", f"/run/{name}/tracker.sock").returncode == 1
        # Each has a user of its own, and a lock-down that leaves it hardly anything to share.
        machine.until(lambda: machine.log()[before:].count('"trackers": 2') == 2)
        waits = ("--wait", "takes-over-from", "/run/tracker-blue/tracker.sock", "--timeout", "1")
        said = machine.run(*STATUS[:2], "--socket", "/run/tracker-green/tracker.sock", *waits)
        assert (said.returncode, said.stdout) == (1, "")
        assert "has not reached its database" in said.stderr
    finally:
        machine.run("systemctl", "stop", *names)


def test_it_runs_as_a_user_of_its_own_with_no_rights(machine: Machine) -> None:
    pid = machine.started()
    said = dict(
        line.split(":\t", 1)
        for line in machine.run("cat", f"/proc/{pid}/status").stdout.splitlines()
        if ":\t" in line
    )
    assert said["Uid"].split()[0] != "0"
    assert {int(said[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize(
    ("groups", "code", "told"),
    [("tracker-status", 1, ""), ("", 2, "permission denied")],
    ids=["member", "other"],
)
def test_members_of_the_group_are_answered_and_others_rejected(
    machine: Machine, groups: str, code: int, told: str
) -> None:
    machine.started()
    member = [f"--groups={groups}"] if groups else ["--clear-groups"]
    asked = machine.run("setpriv", "--reuid=65534", "--regid=65534", *member, *STATUS)
    assert asked.returncode == code, asked.stderr
    assert told in asked.stderr
    assert bool(asked.stdout) == (code == 1)


def test_strangers_read_neither_journal_nor_credentials(machine: Machine) -> None:
    machine.started()
    for place in ("/var/lib/tracker/journal", "/etc/tracker/credentials", "/run/tracker"):
        seen = machine.run(
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "ls", place
        )
        assert "Permission denied" in seen.stderr, place


def test_a_hung_process_is_ended_with_all_stacks_in_the_log_and_started_again(
    machine: Machine,
) -> None:
    pid = machine.started()
    before = len(machine.log())
    machine.run("kill", "-STOP", str(pid))
    machine.again(pid)
    said = machine.log()[before:]
    assert machine.show("NRestarts") == "1"
    assert "Fatal Python error: Aborted" in said
    assert said.count("(most recent call first)") >= 5
    assert "actors/app/tracker.py" in said
    assert said.count('"event": "started"') == 1


@pytest.mark.long
def test_a_supervisor_that_hangs_is_named_and_its_process_is_started_again(
    machine: Machine,
) -> None:
    with machine.breakable("actors.supervision.monitor:ConnectionMonitor.check") as fuse:
        pid = machine.started()
        machine.until(lambda: machine.show("StatusText").startswith("starting: "))
        before = len(machine.log())
        machine.run("sh", "-c", f"echo 1 > {fuse}")
        machine.until(lambda: '"event": "stuck"' in machine.log()[before:])
        assert machine.show("StatusText") == "stuck: supervisor"
        machine.run("rm", fuse)
        machine.again(pid)
    said = machine.log()[before:]
    assert machine.show("NRestarts") == "1"
    (stuck,) = (json.loads(line) for line in said.splitlines() if '"stuck"' in line)
    assert stuck["stuck_thread"] == "supervisor"
    assert "_tick" in stuck["stacks"]
    assert "Fatal Python error: Aborted" in said
    assert said.count("(most recent call first)") >= 5
    assert said.count('"event": "started"') == 1


def test_systemctl_status_shows_the_state(machine: Machine) -> None:
    machine.started()
    machine.until(lambda: " live | " in machine.show("StatusText"))


def test_a_killed_process_is_started_again_however_often(machine: Machine) -> None:
    pid = machine.started()
    for count in range(1, 8):  # the default of systemd gives up after five
        machine.run("kill", "-KILL", str(pid))
        pid = machine.again(pid)
        assert machine.show("NRestarts") == str(count)


def test_a_wrong_setting_is_reported_and_not_restarted(machine: Machine) -> None:
    machine.started()
    machine.run("sh", "-c", "echo TRACKER_REDUNDANCY=99 > /run/more")
    try:
        failed = machine.run("systemctl", "restart", "tracker")
        assert failed.returncode != 0
        assert (machine.show("ActiveState"), machine.show("ExecMainStatus")) == ("failed", "78")
        assert machine.show("NRestarts") == "0"
        assert "redundancy" in machine.log().splitlines()[-1].lower()
    finally:
        machine.run("rm", "/run/more")


def test_a_stop_is_orderly_and_leaves_no_socket(machine: Machine) -> None:
    machine.started()
    machine.run("systemctl", "stop", "tracker")
    assert (machine.show("ActiveState"), machine.show("Result")) == ("inactive", "success")
    assert '"event": "stopped"' in machine.log().splitlines()[-1]
    assert machine.run("ls", "/run/tracker/tracker.sock").returncode != 0
    assert machine.run(*STATUS).returncode == 2
