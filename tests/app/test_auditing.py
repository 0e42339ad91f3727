"""Which witnesses there are is what the settings say; what is off opens nothing."""

from random import Random

import pytest

from actors.actor import Addresses
from actors.app import auditing
from actors.app.auditing import AuditFactory
from actors.app.filters import filters_of
from actors.config.load import Config, load
from actors.polymarket.http import Http


def factory(**environ: str) -> AuditFactory:
    return AuditFactory(
        config(**environ), Addresses(), http=_opened, chain=lambda: None, rng=Random(1)
    )


def config(**environ: str) -> Config:
    return load([], environ, credentials=None).config


def _opened() -> Http:
    raise AssertionError("opened")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["audit"]),
        ({"TRACKER_AUDIT_STREAM": "true"}, ["audit", "stream"]),
        ({"TRACKER_AUDIT": "false"}, []),
        ({"TRACKER_AUDIT": "false", "TRACKER_AUDIT_STREAM": "true"}, []),
    ],
)
def test_the_stream_is_there_only_when_it_is_asked_for(
    settings: dict[str, str], names: list[str]
) -> None:
    found = factory(**settings).children()

    assert [each.spec.id for each in found] == names
    assert [each.spec.needed for each in found] == [name == "audit" for name in names]


def test_the_stream_is_listened_to_at_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(auditing, "Listener", lambda url, **said: made.append((url, said)))
    made_by = factory(TRACKER_AUDIT_STREAM="true", TRACKER_RTDS_URL="ws://127.0.0.1:1/x")
    made_by._line(lambda _, __: True, lambda _: None)

    ((url, said),) = made
    assert url == "ws://127.0.0.1:1/x"
    assert (said["marker"], said["ping"]) == ("orders_matched", "PING")


@pytest.mark.parametrize(
    ("settings", "everything"),
    [({}, True), ({"TRACKER_TAGS": "x"}, False), ({"TRACKER_SHARD": "1/2"}, False)],
)
def test_markets_are_hinted_at_where_all_are_wanted(
    settings: dict[str, str], *, everything: bool
) -> None:
    assert filters_of(config(**settings)).is_everything is everything
