"""What a mutation is: one mechanism that is removed, and the tests that must notice."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One mechanism that is removed, and the tests that must notice.

    Attributes:
        file: Relative to the root.
        old, new: The text that must be there exactly once, and what takes its place.
        tests: Files, or single tests (`file::test`).
        promise: How the line of docs/explanation/security.md begins that it belongs to.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    promise: str = ""
