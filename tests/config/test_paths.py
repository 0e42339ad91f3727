import os
from pathlib import Path

from actors.config.paths import TURN_SOCKETS, UNIT_SOCKET, state_dir, status_socket, usual_sockets


def test_what_systemd_made_comes_before_the_users_own() -> None:
    both = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/xdg"}
    assert state_dir(both) == ("/var/lib/a", "STATE_DIRECTORY")
    assert state_dir({"XDG_STATE_HOME": "/xdg"}) == ("/xdg/tracker", "XDG_STATE_HOME")
    assert (state_dir({"XDG_STATE_HOME": "relative"}) is None) == (os.geteuid() != 0)
    assert status_socket({"RUNTIME_DIRECTORY": "/run/a:/run/b"}) == (
        "/run/a/tracker.sock",
        "RUNTIME_DIRECTORY",
    )
    assert status_socket({}) is None


def test_the_socket_of_the_shipped_unit_is_always_tried_and_once() -> None:
    assert usual_sockets({"RUNTIME_DIRECTORY": "/run/tracker"}) == (UNIT_SOCKET, *TURN_SOCKETS)
    assert usual_sockets({"XDG_STATE_HOME": "/xdg"}) == (
        Path("/xdg/tracker/tracker.sock"),
        UNIT_SOCKET,
        *TURN_SOCKETS,
    )
