"""The output of a machine as blocks of a page: commands with their answers, lines of the log."""

import json
from collections.abc import Iterator

from tests.live.machine import Machine

SOURCE = "/usr/local/src/tracker"
WIDTH = 160
FRAMES = 2
ENVIRON = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/var/tmp/wheels", "SUDO_USER": "operator"}


def quiet(machine: Machine, command: str) -> None:
    done = machine.run("bash", "-ec", command, limit_s=120, **ENVIRON)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")


def shell(machine: Machine, *lines: str) -> str:
    """Return these lines and the answers of one shell to them, as a block."""
    said = [f"cd {SOURCE}; exec 2>&1; export LC_ALL=C.UTF-8"]
    for line in lines:
        said += [f"printf '\\036'; {{\n{line}\n}}; printf '\\037%d' $?"]
    out = machine.run("bash", "-c", "\n".join(said), limit_s=300, **ENVIRON).stdout
    parts = [part.rpartition("\037") for part in out.split("\036")[1:]]
    if len(parts) != len(lines):
        raise RuntimeError(f"the shell ended early: {out[-2000:]}")
    told = ["```\n"]
    for line, (answer, _, code) in zip(lines, parts, strict=True):
        body = "".join(f"{row.rstrip()}\n" for row in answer.splitlines())
        told += [f"$ {line}\n{body}", f"(exit code {code})\n" if code != "0" else ""]
    return "".join([*told, "```\n\n"])


def mark(machine: Machine) -> str:
    """Return the present end of the log."""
    done = machine.run("journalctl", "-u", "tracker", "--lines=1", "--output=json", "--no-pager")
    return str(json.loads(done.stdout)["__CURSOR"])


def told(machine: Machine, mark: str) -> str:
    """Return the lines of the log since then, as a block."""
    since = [f"--after-cursor={mark}"] if mark else []
    done = machine.run(
        "journalctl", "_SYSTEMD_UNIT=tracker.service", "+", "UNIT=tracker.service", *since,
        "--output=cat", "--no-pager",
    )  # fmt: skip
    lines = "".join(f"{_cut(line)}\n" for line in _plain(done.stdout.splitlines()))
    return f"```\n{lines}```\n\n"


def _plain(lines: list[str]) -> Iterator[str]:
    """Turn JSON into a readable line; leave out the outer frames of stacks."""
    frames = 0
    for line in lines:
        if line.startswith("{"):
            yield _words(json.loads(line))
            continue
        frames = frames + 1 if line.startswith("  File ") else 0
        if frames <= FRAMES:
            yield line


def _words(event: dict[str, object]) -> str:
    at, level, name = (str(event.pop(key)) for key in ("timestamp", "level", "event"))
    for key in ("message", "logger"):
        event.pop(key, None)
    fields = " ".join(f"{key}={json.dumps(value)}" for key, value in event.items())
    return f"{at[11:23]} {level} {name} {fields}".rstrip()


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
