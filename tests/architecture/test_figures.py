"""Each figure that the page of security promises is the one that is in force."""

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from actors.catalog import universe
from actors.config.settings import Config
from actors.feed.samples import Samples
from actors.health import status_socket
from actors.health.web import server as web_server
from actors.journal.segment import MAX_BODY_BYTES
from actors.network import connect
from actors.polymarket import client, gamma_details, http, pagination, strict_json
from actors.process import logs
from actors.transport import handshake
from actors.transport.reactor import Reactor

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "security.md").read_text()
TEST = "test_the_figures_of_the_page_are_those_in_force"
WORDS = {1: "one", 3: "three", 4: "four", 8: "eight", 10: "ten", 16: "sixteen"}


def default(of: type, name: str) -> int:
    """Return what a parameter is where nobody gives it."""
    return int(inspect.signature(of).parameters[name].default)


def longest(of: object) -> int:
    """Return how long a text of an annotated type may be."""
    (bound,) = (
        each.max_length for each in get_args(get_args(of)[0]) if hasattr(each, "max_length")
    )
    return int(bound)


def mib(size: int) -> str:
    assert size % (1 << 20) == 0
    return f"{size >> 20} MiB"


FIGURES = {
    "Messages are at most": (
        f"({mib(Config().max_message_bytes)};",
        f"no more than a record of the journal, {mib(MAX_BODY_BYTES)})",
    ),
    "Unfinished messages": (f"at most {mib(default(Reactor, 'unfinished_bytes'))};",),
    "What is kept of a market": (
        f"texts {strict_json.MAX_TEXT_CHARS:,} characters",
        f"a description {gamma_details.MAX_DESCRIPTION:,}",
        f"{strict_json.MAX_TAGS:,} tags",
        f"tags of an event of more than {strict_json.MAX_TAGS_BYTES:,} bytes",
    ),
    "A listing without end": (
        f"{pagination.MAX_PAGES:,} pages",
        f"cursors of {longest(client._Cursor):,} characters",
        f"{universe.MOST_MARKETS:,} markets",
    ),
    "Addresses that never answer hide": (
        f"up to {connect.MOST_ADDRESSES} are tried, {WORDS.get(connect.AT_ONCE)} at a time",
    ),
    "Hanging lookups": (
        f"{connect.LOOKUPS_OF_A_NAME} lookups of a name",
        f"{vars(connect._MORE)['_initial_value']} sockets beside",
    ),
    "The answer to the handshake": (f"at most {handshake.HEAD_BYTES >> 10} KiB",),
    "All that is read of an HTTP answer": (
        f"{http.HEAD_BYTES >> 10} KiB of headers",
        f"{http.FRAMING_BYTES >> 10} KiB of what is beside a body",
        f"a body of {http.MAX_BYTES:,} bytes",
    ),
    "A flood of unknown events": (
        f"{default(Samples, 'of_each'):,} of a kind",
        f"{default(Samples, 'kinds'):,} kinds",
        f"{default(Samples, 'most_bytes') >> 10} KiB",
    ),
    "Foreign text cannot forge": (f"after {logs.LONGEST_TEXT:,} characters",),
    "Through it nothing can be changed": (
        f"{status_socket.LONGEST_REQUEST >> 10} KiB",
        f"{WORDS.get(int(status_socket.REQUEST_S))} second",
        f"{WORDS.get(status_socket.MOST_CLIENTS)} clients",
    ),
    "Whoever reaches the port": (
        f"{web_server.MOST_WAITING} wait",
        f"{WORDS.get(web_server.MOST_CLIENTS)} answers at a time",
        f"{WORDS.get(int(web_server.CLIENT_S))} seconds each",
        f"{WORDS.get(round(1 / web_server.BETWEEN_CLIENTS_S))} a second",
    ),
}
"""How a line of the page begins → what it must say with what is in force."""


@pytest.mark.parametrize("promise", FIGURES)
def test_the_figures_of_the_page_are_those_in_force(promise: str) -> None:
    (line,) = re.findall(rf"^\| ({re.escape(promise)}.*)$", PAGE, re.MULTILINE)
    said, _, held = line.rpartition(" | ")
    for figure in FIGURES[promise]:
        assert figure in said
    assert f"`{TEST}`" in held
