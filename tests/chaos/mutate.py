"""Remove the mechanisms behind the promises, one at a time, and show that tests fail.

    python tests/chaos/mutate.py [NAME ...]

Each mutation is made in a copy of the tree in a temporary folder. One line each;
exit code 1 when a mutation survives, or no longer fits the source.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREE = ("actors", "bin", "sql", "tests", "setup.cfg", "pyproject.toml", "LICENSE", "README.md")
MACHINE = "tests/chaos/test_recovery_machine.py"
RED, GREEN = 1, 0


@dataclass(frozen=True)
class Mutation:
    """One mechanism that is removed, and the tests that must notice.

    Attributes:
        file: Relative to the root.
        old, new: The text that must be there exactly once, and what takes its place.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "fdatasync",
        "actors/journal/segment.py",
        "        disk.sync_data(self._open_fd())\n",
        "        self._open_fd()\n",
        ("tests/journal/test_durability.py", "tests/journal/test_state_machine.py"),
    ),
    Mutation(
        "the note of a failed sync",
        "actors/journal/appender.py",
        "            self._active.note_failed_sync(self.durable_seq + 1)\n",
        "",
        ("tests/journal/test_durability.py",),
    ),
    Mutation(
        "close what filled during the sync",
        "actors/journal/appender.py",
        "self._active.close_synced(full, upto)\n",
        "self._active.close_synced(self._active.full_segments(), upto)\n",
        ("tests/journal/test_rollover.py", MACHINE),
    ),
    Mutation(
        "directory fsync forgotten",
        "actors/journal/directory.py",
        "        self.disk.sync(self.fd)\n"
        "        self.names_in_doubt = False\n        segment.fd = fd\n",
        "        self.names_in_doubt = False\n        segment.fd = fd\n",
        ("tests/journal/test_rollover.py", MACHINE),
    ),
    Mutation(
        "directory fsync forgotten at the start",
        "actors/journal/directory.py",
        "        self.disk.sync(self.fd)\n"
        "        self.names_in_doubt = False\n        self.journal_id",
        "        self.names_in_doubt = False\n        self.journal_id",
        ("tests/journal/test_rollover.py",),
    ),
    Mutation(
        "a segment without a durable name is given up",
        "actors/journal/active_segment.py",
        "            if self._must_be_replaced(exc):\n                return None\n",
        "            if self._must_be_replaced(exc):\n                self.suspect = None\n"
        "                return before\n",
        ("tests/journal/test_rollover.py",),
    ),
    Mutation(
        "cap without the journal's bytes",
        "actors/journal/journal.py",
        "    return free_bytes + directory.bytes + reserve.held_bytes\n",
        "    return free_bytes + 0 * directory.bytes + 0 * reserve.held_bytes\n",
        ("tests/journal/test_space.py",),
    ),
    Mutation(
        "nothing listens before the start is recorded",
        "actors/supervision/actor.py",
        "            self._admission.start_waits = not written\n",
        "            self._admission.start_waits = False\n",
        ("tests/supervision/test_full_start.py",),
    ),
    Mutation(
        "what is committed is not carried over",
        "actors/journal/reader.py",
        "                self._forget(self.watermark - 1)\n",
        "",
        ("tests/journal/test_races.py",),
    ),
    Mutation(
        "truncation of a torn tail",
        "actors/journal/directory.py",
        "            self.disk.truncate(fd, end)\n",
        "",
        ("tests/journal/test_durability.py", MACHINE),
    ),
    Mutation(
        "watermark in the transaction",
        "actors/database/transaction.py",
        "        with self._connection.transaction():\n"
        "            before, watermark = move_watermark(\n"
        "                self._connection, self._journal, batch.watermark, self._migrations\n"
        "            )\n",
        "        before, watermark = move_watermark(\n"
        "            self._connection, self._journal, batch.watermark, self._migrations\n"
        "        )\n"
        "        with self._connection.transaction():\n",
        ("tests/chaos/test_watermark.py",),
    ),
    Mutation(
        "the bound of a step of settling",
        "actors/database/settlement.py",
        '"most": EPOCHS_AT_ONCE}',
        '"most": 10**6}',
        ("tests/database/test_settlement.py",),
    ),
    Mutation(
        "the session that stores a journal",
        "sql/queries/move_watermark.sql",
        "p.session = %(session)s::uuid)",
        "true)",
        ("tests/database/test_copied_journal.py",),
    ),
    Mutation(
        "telling a database again what it has forgotten",
        "actors/writer/actor.py",
        "            self._notifier.forgotten(opened)\n",
        "            pass\n",
        ("tests/writer/test_actor.py",),
    ),
    Mutation(
        "what is in doubt is not settled",
        "sql/queries/select_ended_epochs.sql",
        "where m.journal_key = e.journal_key and m.epoch = e.epoch and m.doubt is not null\n",
        "where false and m.epoch = e.epoch and m.doubt is not null\n",
        ("tests/database/test_settlement.py", "tests/database/test_kept.py"),
    ),
    Mutation(
        "no proof before what is older is handled",
        "actors/transport/feed_socket.py",
        "        return None if self.unhandled else sample\n",
        "        return sample\n",
        ("tests/transport/test_feed_socket.py",),
    ),
    Mutation(
        "coverage close",
        "actors/feed/epoch.py",
        "        if self._number:\n            until_ns = self._coverage.proven_until_ns or None\n",
        "        if not self._number:\n"
        "            until_ns = self._coverage.proven_until_ns or None\n",
        ("tests/feed/test_actor.py",),
    ),
    Mutation(
        "from a record that is not understood on nothing is claimed",
        "actors/writer/gather.py",
        "            self.facts.append((entry.seq, facts.RangeLost(entry.seq, entry.seq)))\n",
        "",
        ("tests/writer/test_gather.py", "tests/database/test_lost_ranges.py"),
    ),
    Mutation(
        "a rejected end of listening counts all the same",
        "actors/database/transaction.py",
        "                    coverage.take_back(*numbered)\n",
        "                    pass\n",
        ("tests/database/test_rejected_rows.py",),
    ),
    Mutation(
        "a rejected fact keeps its time open until it is taken in",
        "actors/database/columns.py",
        '            return seq, "journal", encode(fact)\n',
        '            return -1, "database", rejected_payload(row)\n',
        ("tests/database/test_rejected_rows.py",),
    ),
    Mutation(
        "samples of what cannot be a trade",
        "actors/feed/ingest.py",
        "            not kind or self._samples.takes(",
        "            True or self._samples.takes(",
        ("tests/feed/test_samples.py",),
    ),
    Mutation(
        "rejected events fill a transaction",
        "actors/writer/gather.py",
        "            self.rejected_size += size_in_trades(rejections)\n",
        "",
        ("tests/writer/test_actor.py",),
    ),
    Mutation(
        "ON CONFLICT",
        "sql/queries/insert_trades.sql",
        "on conflict do nothing",
        "",
        ("tests/database/test_store.py",),
    ),
    Mutation(
        "release only of what is committed",
        "actors/writer/actor.py",
        "        self._journal.release(self._watermark.seq)\n        self._notifier.committed(",
        "        self._journal.release(self._journal.next_seq)\n        self._notifier.committed(",
        ("tests/writer/test_actor.py", MACHINE),
    ),
    Mutation(
        "catching up after the writer's start",
        "actors/writer/actor.py",
        "        self._watermark = Watermark(max(opened.watermark, 1))\n",
        "        self._watermark = Watermark(self._journal.next_seq)\n",
        (MACHINE,),
    ),
    Mutation(
        "journal before the message to the writer",
        "actors/journal/recorder.py",
        "        seq = self._journal.append(facts.encode(record), weight=weight)\n",
        "        seq = self._journal.next_seq\n",
        ("tests/journal/test_recorder.py", "tests/feed/test_actor.py"),
    ),
    Mutation(
        "what a new connection hears is held against old ones",
        "actors/supervision/monitor.py",
        "        self._heard.reported(report.heard, self._now)\n",
        "",
        ("tests/supervision/test_monitor.py",),
    ),
    Mutation(
        "one that is shown to be frozen makes all silent ones suspect",
        "actors/supervision/monitor.py",
        "            self._suspect_all(time)\n",
        "            pass\n",
        ("tests/supervision/test_monitor.py",),
    ),
    Mutation(
        "connections get no more tokens than the exchange takes",
        "actors/supervision/monitor.py",
        "            executor.lower_capacity(cap.cap, unheard, time)\n",
        "            pass\n",
        ("tests/supervision/test_token_cap.py",),
    ),
    Mutation(
        "a cap is believed only when full connections do not get what another one has",
        "actors/supervision/plan.py",
        "        if still and 2 * len(without) > len(tried.full) and ALIKE * most <= self._most:\n",
        "        if still and ALIKE * most <= self._most:\n",
        ("tests/supervision/test_token_cap.py",),
    ),
    Mutation(
        "a trade heard elsewhere ends a silent connection",
        "actors/feed/questions.py",
        "            self.silence.heard_elsewhere()\n",
        "            pass\n",
        ("tests/feed/test_silence.py",),
    ),
    Mutation(
        "the catalog passes an announcement on",
        "actors/catalog/actor.py",
        "                self._publish(self._universe.announce(message.market))\n",
        "                pass\n",
        ("tests/catalog/test_announced.py",),
    ),
    Mutation(
        "subscription at the announcement",
        "actors/supervision/connections.py",
        "            self.connections.send(slot_id, Subscribe(tokens=announced, announced=True))\n",
        "            pass\n",
        ("tests/supervision/test_announced.py",),
    ),
    Mutation(
        "an announced token is asked for on the socket",
        "actors/feed/actor.py",
        "            self._subscription.add_announced(message.tokens, self._time.now)\n",
        "            pass\n",
        ("tests/feed/test_announced.py",),
    ),
    Mutation(
        "the time of a snapshot proves silence",
        "actors/feed/silence.py",
        "if at <= known_ms(k) + LATENESS_MS // 2]\n",
        "if not at]\n",
        ("tests/feed/test_silence.py",),
    ),
    Mutation(
        "a snapshot proves nothing but by its time",
        "actors/feed/silence.py",
        "if at <= known_ms(k) + LATENESS_MS // 2]\n",
        "if at]\n",
        ("tests/feed/test_silence.py",),
    ),
    Mutation(
        "a later change that never came is a loss",
        "actors/feed/silence.py",
        "if known_ms(k) + self.late_ms < at < due_ms]\n",
        "if not at]\n",
        ("tests/feed/test_silence.py",),
    ),
    Mutation(
        "slots that are computed, whatever the order of a list",
        "actors/polymarket/contract/slots.py",
        "        if set(computed) == listed:\n            return computed\n",
        "        if set(computed) == listed:\n            return market.token_ids\n",
        ("tests/resolution/test_worlds.py",),
    ),
    Mutation(
        "the time at which an answer was made",
        "actors/model/market.py",
        "if self.generated_at_ms is None else self.generated_at_ms",
        "",
        ("tests/resolution/test_worlds.py",),
    ),
    Mutation(
        "two services for the name of a token",
        "actors/resolution/evidence.py",
        "if count > 1]",
        "if count > 0]",
        ("tests/resolution/test_namings.py", "tests/resolution/test_worlds.py"),
    ),
    Mutation(
        "no winner from a list that is contested",
        "actors/resolution/evidence.py",
        "            and not (each.naming is Naming.OWN_LIST and each.source in contested)\n",
        "",
        ("tests/resolution/test_namings.py",),
    ),
    Mutation(
        "two services for an outcome",
        "actors/resolution/quorum.py",
        "[pair for pair in combinations(statements, 2) if pair[0].is_independent_of(pair[1])]",
        "[(each, each) for each in statements]",
        ("tests/resolution/test_worlds.py",),
    ),
)


def main(names: Sequence[str]) -> int:
    """Try the named mutations, or all; return the exit code."""
    chosen = [each for each in MUTATIONS if not names or each.name in names]
    with tempfile.TemporaryDirectory(prefix="tracker-mutate-") as home:
        Path(home).chmod(0o755)
        tree = _copied(Path(home))
        tests = sorted({test for each in chosen for test in each.tests})
        code, said = _tested(tree, tests)
        _say(f"{'unchanged':<40} {'green' if code == GREEN else 'RED: ' + said}")
        survived = code != GREEN
        for each in chosen:
            survived = not _dies(tree, each) or survived
    return 1 if survived else 0


def _copied(home: Path) -> Path:
    tree = home / "tree"
    tree.mkdir(mode=0o755)
    leave = shutil.ignore_patterns("__pycache__")
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=leave)
        else:
            shutil.copy(source, tree / name)
    return tree


def _dies(tree: Path, mutation: Mutation) -> bool:
    """Make one mutation, run its tests, undo it."""
    place = tree / mutation.file
    whole = place.read_text()
    if whole.count(mutation.old) != 1:
        _say(f"{mutation.name:<40} DOES NOT FIT {mutation.file} any more")
        return False
    place.write_text(whole.replace(mutation.old, mutation.new))
    try:
        results = [(test, *_tested(tree, [test])) for test in mutation.tests]
    finally:
        place.write_text(whole)
    red = [f"{test}: {said}" for test, code, said in results if code == RED]
    _say(f"{mutation.name:<40} {'red, as it must be: ' + '; '.join(red) if red else 'SURVIVED'}")
    return bool(red)


def _tested(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Return the exit code of the tests and their last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--tb=no"]
    command += ["-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return done.returncode, lines[-1] if lines else done.stderr[-200:]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
