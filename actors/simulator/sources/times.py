"""The two formats in which the sources write times."""

from datetime import UTC, datetime


def iso(ms: int) -> str:
    """Return a time such as `2026-02-27T23:34:28.752Z`."""
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def spaced(ms: int) -> str:
    """Return a time such as `2026-03-19 23:20:15+00`, the other format of the same API."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S+00")
