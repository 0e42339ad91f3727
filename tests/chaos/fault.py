"""A fault of the torture, and the outcome of its run."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.chaos.fault_run import FaultRun

PASS, FAIL, SKIP = "PASS", "FAIL", "SKIP"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of the list.

    Attributes:
        number: Such as `F43`.
        name: In a few words.
        how: How it is caused here.
        expected: What must happen.
        run: Causes it and notes what it saw; None when `proof` does everything.
        alone: Runs by itself, without simulator, server and tracker of the others: it gets a
            folder, the outcome and the scale of its store.
        proof: Node ids of tests that prove it, instead of `run` or as well.
        needs: What the machine must have: `root`, or the name of a program.
        deadline_s: After which the run of this fault is given up.
        server_mib: Size of the disk of the database server; 0: no disk of its own.
    """

    number: str
    name: str
    how: str
    expected: str
    run: "Callable[[FaultRun], None] | None" = None
    alone: "Callable[[Path, Outcome, float], None] | None" = None
    proof: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    deadline_s: float = 120.0
    server_mib: int = 0


@dataclass(kw_only=True)
class Outcome:
    """The outcome of one fault. Counts are in trades; None: does not apply."""

    number: str
    name: str
    how: str
    expected: str
    result: str = PASS
    sent: int | None = None
    stored: int | None = None
    lost: int | None = None
    duplicated: int | None = None
    unexpected: int | None = None
    uncovered: int | None = None
    in_gaps: int | None = None
    unwatched: int | None = None
    gap_s: float | None = None
    false_gap_s: float | None = None
    notice_s: float | None = None
    recover_s: float | None = None
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it for the report."""
        return asdict(self)

    def line(self) -> str:
        """Return it as one line for people."""
        figures = [
            f"{word} {value}"
            for word, value in (
                ("sent", self.sent),
                ("lost", self.lost),
                ("dup", self.duplicated),
                ("unexp", self.unexpected),
                ("uncov", self.uncovered),
                ("in gaps", self.in_gaps),
            )
            if value is not None
        ]
        figures += [
            f"{word} {value:.1f}s"
            for word, value in (
                ("gap", self.gap_s),
                ("false gap", self.false_gap_s),
                ("notice", self.notice_s),
                ("recover", self.recover_s),
            )
            if value is not None
        ]
        said = "; ".join([*self.broken, *self.notes])
        head = f"{self.number:<5} {self.result:<4} {self.name:<44}"
        return f"{head} {' · '.join(figures)}{'  | ' + said if said else ''}".rstrip()
