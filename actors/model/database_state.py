"""The states of the database, as the writer sees it."""

AWAY = "away"
STOPPED = "stopped"
BEHIND = "behind"
LIVE = "live"
