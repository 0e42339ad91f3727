"""When one tracker covers what another covers: given what both say, look by look."""

import base64
import json
from hashlib import blake2b
from typing import Any

import pytest

from actors.errors import PayloadRejected
from actors.feed.coverage import CoverageBook
from actors.health.takeover import Listing, Progress, Takeover, read
from actors.messages import Covered
from actors.model.trade import TokenId

S = 1_000_000_000


UNPACKABLE = (
    b'{"journal": "x", "database": "y", "unanswered": [], "connections":'
    b' [{"connection": "a", "proven_until_ns": 1, "tokens": [[1, "%%%"]]}]}'
)


def digest(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=8).digest()


def listing(
    journal: str, *connections: tuple[str, int, dict[int, str]], unanswered: int = 0
) -> Listing:
    """Return what a tracker says: (connection, proof, since → tokens), in seconds."""
    said: dict[str, Any] = {
        "journal": journal,
        "database": "db",
        "unanswered": ["x"] * unanswered,
        "connections": [
            {
                "connection": name,
                "proven_until_ns": proven * S,
                "tokens": [
                    [
                        since * S,
                        base64.b64encode(b"".join(map(digest, tokens.split()))).decode(),
                    ]
                    for since, tokens in groups.items()
                ],
            }
            for name, proven, groups in connections
        ],
    }
    return read(json.dumps(said).encode())


def look(other: dict[int, str], other_proof: int, here: dict[int, str], proof: int) -> Progress:
    return Takeover().look(
        listing("old", ("a-0000", other_proof, other)), listing("new", ("a-0000", proof, here))
    )


def test_what_is_proven_here_beyond_the_others_proof_is_taken_over() -> None:
    assert look({0: "A B"}, 100, {50: "A B"}, 100).done
    assert look({0: "A B"}, 100, {50: "A", 99: "B C"}, 101).done


@pytest.mark.parametrize(
    ("here", "proof", "counts", "said"),
    [
        ({50: "A"}, 101, (1, 0, 0), "1 not covered here"),
        ({50: "A", 101: "B"}, 105, (0, 1, 0), "1 covered here only since after its proof"),
        ({50: "A B"}, 99, (0, 0, 2), "2 not proven here up to its proof"),
        ({}, 0, (2, 0, 0), "2 not covered here"),
    ],
)
def test_a_token_that_would_have_a_gap_is_not_taken_over(
    here: dict[int, str], proof: int, counts: tuple[int, int, int], said: str
) -> None:
    progress = look({0: "A B"}, 100, here, proof)
    assert not progress.done
    assert (progress.absent, progress.late, progress.unproven) == counts
    assert str(progress).startswith(f"{sum(counts)} of its 2 tokens are not taken over: {said}; on")
    assert progress.where == (("a-0000", sum(counts)),)


def test_the_others_best_feed_is_what_has_to_be_reached() -> None:
    other = listing("old", ("a-0000", 100, {0: "A"}), ("b-0000", 120, {0: "A"}))
    takeover = Takeover()
    assert takeover.look(other, listing("new", ("a-0000", 119, {50: "A"}))).unproven == 1
    assert takeover.look(other, listing("new", ("a-0000", 120, {50: "A"}))).done


def test_one_connection_here_has_to_cover_both_its_proof_and_the_time_before_it() -> None:
    other = listing("old", ("a-0000", 100, {0: "A"}))
    here = listing("new", ("a-0000", 90, {50: "A"}), ("b-0000", 130, {101: "A"}))
    assert Takeover().look(other, here).unproven == 1
    here = listing("new", ("a-0000", 90, {50: "A"}), ("b-0000", 130, {100: "A"}))
    assert Takeover().look(other, here).done


def test_both_proofs_move_on_and_a_proof_that_was_reached_stays_reached() -> None:
    takeover = Takeover()
    here = listing("new", ("a-0000", 90, {50: "A"}))
    assert takeover.look(listing("old", ("a-0000", 100, {0: "A"})), here).unproven == 1
    # The other is 40 s ahead again, since this connection is quiet; but 100 was to be reached.
    here = listing("new", ("a-0000", 110, {50: "A"}))
    assert takeover.look(listing("old", ("a-0000", 150, {0: "A"})), here).done


def test_coverage_that_began_again_has_to_reach_a_later_proof() -> None:
    takeover = Takeover()
    old = listing("old", ("a-0000", 100, {0: "A"}))
    assert takeover.look(old, listing("new", ("a-0000", 110, {50: "A"}))).done
    again = listing("new", ("a-0000", 150, {140: "A"}))
    assert takeover.look(listing("old", ("a-0000", 130, {0: "A"})), again).late == 1
    assert takeover.look(listing("old", ("a-0000", 145, {0: "A"})), again).done
    assert takeover.look(listing("old", ("a-0000", 170, {0: "A"})), listing("new")).absent == 1


def test_what_the_other_does_not_cover_any_more_is_not_waited_for() -> None:
    takeover = Takeover()
    here = listing("new", ("a-0000", 110, {50: "A"}))
    assert takeover.look(listing("old", ("a-0000", 100, {0: "A B"})), here).absent == 1
    assert takeover.look(listing("old", ("a-0000", 100, {0: "A"})), here).done


def test_a_beginning_that_nothing_has_proven_covers_nothing() -> None:
    progress = look({101: "A"}, 100, {50: "A"}, 200)
    assert (progress.total, progress.done) == (0, False)
    assert str(progress) == "the other covers no token"


def test_a_connection_of_the_other_that_does_not_answer_is_waited_for() -> None:
    other = listing("old", ("a-0000", 100, {0: "A"}), unanswered=2)
    progress = Takeover().look(other, listing("new", ("a-0000", 110, {50: "A"})))
    assert not progress.done
    assert str(progress) == "2 connections of the other do not answer"


def test_announcements_of_new_markets_are_taken_over_too() -> None:
    old = listing("old", ("a-0000", 100, {0: "A"}), ("lifecycle", 0, {}))
    here = ("a-0000", 110, {50: "A"})
    progress = Takeover().look(old, listing("new", here))
    assert not progress.done
    assert "announcements" in str(progress)
    assert Takeover().look(old, listing("new", here, ("lifecycle", 0, {}))).done


def test_only_the_connections_with_the_most_are_named() -> None:
    other = [(f"a-{n:04d}", 100, {0: " ".join(f"{n}-{i}" for i in range(n + 1))}) for n in range(9)]
    progress = Takeover().look(listing("old", *other), listing("new"))
    assert progress.where == (("a-0008", 9), ("a-0007", 8), ("a-0006", 7))
    assert str(progress).endswith("on a-0008 (9), a-0007 (8), a-0006 (7)")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"error": "supervisor busy"}', "supervisor busy"),
        (b'{"error": "unknown request; try"}', "a version that cannot say what it covers"),
        (b"no json", "does not say what is covered"),
        (b"[]", "does not say what is covered"),
        (b'{"state": "healthy"}', "does not say what is covered"),
        (UNPACKABLE, "does not say what is covered"),
    ],
)
def test_any_other_answer_is_rejected(answer: bytes, said: str) -> None:
    with pytest.raises(PayloadRejected, match=said):
        read(answer)


def test_a_connection_says_what_it_covers_in_11_bytes_a_token() -> None:
    a, b, c = TokenId("1"), TokenId("2"), TokenId("3")
    coverage = CoverageBook(7)
    coverage.add_requested([a, b, c], 0.0)
    coverage.add_book(a, 5 * S)
    coverage.add_book(b, 5 * S)
    coverage.add_book(c, 6 * S)
    coverage.release([b])
    coverage.add_requested([b], 0.0)
    assert coverage.covered("a-0001") == Covered(
        connection="a-0001", proven_until_ns=0, tokens=((5 * S, digest("1")), (6 * S, digest("3")))
    )
