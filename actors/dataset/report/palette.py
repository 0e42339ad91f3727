"""The colours of a report: variables of its style sheet, for light and dark. Pure.

matplotlib writes colours as numbers, so each variable has a number that stands for it in a plot
until the plot is put into the page.
"""

from typing import Final

from actors.model.connection import GapCause

CAUSES: Final = {
    GapCause.PROCESS_DOWN: "the tracker was stopped, killed or without power",
    GapCause.DISCONNECTED: "the connection was lost",
    GapCause.FROZEN: "the connection was open and brought no data",
    GapCause.EXCHANGE_SILENT: "the exchange sent nothing to any connection",
    GapCause.TOKEN_MISSED: "the connection missed trades of this token alone",
    GapCause.NEVER_CONFIRMED: "listening had not begun: no first book yet",
    GapCause.NOT_DISCOVERED: "the market could be traded and was not known yet",
    GapCause.REJECTED: "a message that may be a trade could not be read",
    GapCause.DISK_FULL: "the tracker could not write what it received",
    GapCause.CLOCK_STEP: "our clock was behind when listening began",
}
"""What each cause of a gap means, in the order of the legend."""


def cause_name(cause: str) -> str:
    """Return the name of a cause's colour; one that is not known has that of `disconnected`."""
    known = GapCause(cause) if cause in set(GapCause) else GapCause.DISCONNECTED
    return known.name.lower().replace("_", "-")


NAMES: Final = (
    "ink", "soft", "line", "bar", "paper", "covered", "accent", "second",
    *(cause_name(cause) for cause in CAUSES),
)  # fmt: skip
STANDS_FOR: Final = {name: f"#0a0b{number:02x}" for number, name in enumerate(NAMES, 1)}
"""The number of each colour."""
VARIABLES: Final = {number: f"var(--{name})" for name, number in STANDS_FOR.items()}
