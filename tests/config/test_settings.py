"""The defaults, and which views of the settings show what."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from actors.catalog.universe import ASSETS_PER_MARKET, MOST_MARKETS
from actors.config.load import Config, Invocation, describe, help_text, load
from actors.config.settings import MOST_ASSETS, PUBLIC_NODES
from actors.database.session import check_dsn
from actors.errors import ConfigError
from actors.journal.segment import MAX_BODY_BYTES
from actors.process.logs import Scrubber

PASSWORD = "hunter2-open-sesame"
URL = f"postgresql://tracker:{PASSWORD}@db.example:5432/tracker"


def loaded(*argv: str, **environ: str) -> Invocation:
    return load(argv, environ)


# --------------------------------------------------------------------- defaults


def test_without_any_source_the_defaults_apply() -> None:
    found = loaded().config
    assert found.database_url is None
    assert found.dsn is None
    assert (found.redundancy, found.assets_per_connection, found.max_assets) == (2, 200, 0)
    assert found.market_ws_url == "wss://ws-subscriptions-clob.polymarket.com/ws/market"
    assert (found.silence_seconds, found.discovery_seconds) == (60, 30)
    assert (found.resolution_seconds, found.resolution_hold_seconds) == (60, 330)
    assert (found.journal_sync_ms, found.inflight_max) == (20, 50_000)
    assert found.max_message_bytes == 16 << 20
    assert (found.min_volume, found.tags, found.markets) == (Decimal(0), (), ())
    assert (found.metrics_port, found.log_level, found.log_format) == (None, "INFO", "auto")
    assert (found.metrics_address, found.open_to) == ("127.0.0.1", "")
    assert found.migrate
    assert (found.audit, found.audit_markets) == (True, 20)
    assert found.rpc_urls == PUBLIC_NODES
    assert found.has_public_nodes


def test_no_message_may_be_larger_than_a_record_of_the_journal() -> None:
    assert loaded(TRACKER_MAX_MESSAGE_BYTES="32MiB").config.max_message_bytes == MAX_BODY_BYTES
    with pytest.raises(ConfigError, match=r"TRACKER_MAX_MESSAGE_BYTES.*33554432"):
        loaded(TRACKER_MAX_MESSAGE_BYTES=str(MAX_BODY_BYTES + 1))


@pytest.mark.parametrize(
    ("address", "others"),
    [
        ("127.0.0.1", ""),
        ("127.8.9.1", ""),
        ("::1", ""),
        ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - nothing is bound
        ("::", "::"),
        ("10.0.0.5", "10.0.0.5"),
        (" 2001:DB8::5 ", "2001:db8::5"),
    ],
)
def test_it_is_known_who_else_reaches_the_metrics(address: str, others: str) -> None:
    served = loaded(TRACKER_METRICS_ADDRESS=address, TRACKER_METRICS_PORT="9464").config
    assert served.open_to == others
    assert loaded(TRACKER_METRICS_ADDRESS=address).config.open_to == "", "no port, nothing served"


@pytest.mark.parametrize("word", ["off", "OFF", " off "])
def test_the_chain_is_switched_off_by_a_word(word: str) -> None:
    for found in (
        loaded(TRACKER_POLYGON_RPC_URLS=word).config,
        loaded("--polygon-rpc-urls", word).config,
    ):
        assert found.rpc_urls == ()
        assert not found.has_public_nodes
        assert found.shown("polygon_rpc_urls") == "off"
        assert re.search(r"^polygon_rpc_urls +off ", describe(found), re.MULTILINE)


def test_public_nodes_are_shown_and_ones_own_are_not() -> None:
    assert Config().shown("polygon_rpc_urls") == ", ".join(PUBLIC_NODES)
    own = loaded(TRACKER_POLYGON_RPC_URLS=f"{PUBLIC_NODES[0]},{RPC}").config
    assert own.shown("polygon_rpc_urls") == "https://polygon.drpc.org, https://rpc.example/…"
    assert not own.has_public_nodes
    assert PUBLIC_NODES[0] not in own.secrets()


def test_a_bare_config_reads_nothing_of_its_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_REDUNDANCY", "4")
    monkeypatch.setenv("REDUNDANCY", "4")
    assert Config().redundancy == 2
    assert Config(redundancy=3).redundancy == 3


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().redundancy = 3


def test_the_journal_takes_half_of_a_small_disk_and_20_gib_of_a_large_one() -> None:
    assert Config().journal_cap(10 << 30) == 5 << 30
    assert Config().journal_cap(1 << 40) == 20 << 30
    assert Config().journal_cap(0) == 0
    assert loaded(TRACKER_JOURNAL_MAX_BYTES="100MiB").config.journal_cap(1 << 40) == 100 << 20


# ----------------------------------------------------------------------- secrets


RPC = "https://rpc.example/v2/AbCdEfGhIjKlMnOpQrStUv"


def secretive() -> Config:
    return load(
        [],
        {
            "TRACKER_DATABASE_URL": URL,
            "TRACKER_POLYGON_RPC_URLS": f"{RPC}, https://me:sesame-two@b.example/",
            "TRACKER_GAMMA_URL": "https://me:sesame-three@gamma.example/x?key=sesame-four",
        },
    ).config


def test_no_view_of_a_config_shows_a_secret() -> None:
    found = secretive()
    views = [repr(found), str(found), describe(found), help_text(), repr(found.database_url)]
    for part in (PASSWORD, "AbCdEf", "sesame"):
        assert not any(part in view for view in views)
    assert "https://rpc.example/…, https://b.example" in describe(found)
    assert "https://gamma.example/x" in describe(found)


def test_the_values_themselves_are_there_for_those_who_connect() -> None:
    found = secretive()
    assert found.dsn == URL
    assert found.rpc_urls == (RPC, "https://me:sesame-two@b.example")


def test_everything_secret_is_named_for_the_log_scrubber() -> None:
    named = secretive().secrets()
    assert {URL, PASSWORD, RPC, "AbCdEfGhIjKlMnOpQrStUv"} <= set(named)
    assert {"sesame-two", "sesame-three", "sesame-four"} <= set(named)
    assert "tracker" not in named
    assert sorted(named, key=len, reverse=True) == sorted(
        named, key=lambda text: (-len(text), named.index(text))
    )
    assert Config().secrets() == ()


def test_a_password_is_a_secret_as_written_and_decoded() -> None:
    found = Config(database_url=SecretStr("postgresql://u:p%40ss%2Fword@h/d?sslpassword=other-one"))
    assert {"p%40ss%2Fword", "p@ss/word", "other-one"} <= set(found.secrets())


def test_a_wrong_database_address_says_what_one_looks_like_and_hides_no_part_of_that() -> None:
    """What hides secrets would take an example of an address for one."""
    with pytest.raises(ConfigError) as found:
        loaded(TRACKER_DATABASE_URL="mysql://me@db/x")
    with pytest.raises(ConfigError) as wrong:
        check_dsn("postgresql://me@127.0.0.1:none/x")
    for said in (str(found.value), str(wrong.value)):
        assert "the name of the database" in said
        assert Scrubber().text(said) == said


# ---------------------------------------------------------------- names of markets and tags


CONDITION = "0x" + "ab" * 32
V2_CONDITION = "0x" + "cd" * 31


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("Crypto-1-8", "crypto-1-8"),
        (CONDITION.upper().replace("0X", "0x"), CONDITION),
        (V2_CONDITION, V2_CONDITION + "00"),  # as Gamma writes it
        ("https://polymarket.com/event/when/will-it-rain", "will-it-rain"),
        ("https://polymarket.com/event/when/will-it-rain/?tid=17#x", "will-it-rain"),
        ("https://www.polymarket.com/de/event/when/will-it-rain", "will-it-rain"),
        ("polymarket.com/market/will-it-rain", "will-it-rain"),
        ("https://polymarket.com/event/will-it-rain", "will-it-rain"),
    ],
)
def test_a_market_is_named_in_any_way_that_means_one(given: str, meant: str) -> None:
    assert loaded(TRACKER_MARKETS=f"{given}, other").config.markets == (meant, "other")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRACKER_TAGS", ",", "commas and nothing between them"),
        ("TRACKER_MARKETS", " , ", "commas and nothing between them"),
        ("TRACKER_POLYGON_RPC_URLS", ",", "commas and nothing between them"),
        ("TRACKER_TAGS", "crypto,Middle East", "number 2 must be a tag slug"),
        ("TRACKER_TAGS", "https://polymarket.com/predictions/crypto", "must be a tag slug"),
        ("TRACKER_MARKETS", "a,https://polymarket.com/", "number 2 must be a condition id"),
        ("TRACKER_MARKETS", "https://example.com/event/a/b", "must be a condition id"),
        ("TRACKER_MARKETS", "will it rain", "must be a condition id"),
        ("TRACKER_MARKETS", CONDITION[:-1], "is no condition id"),
        ("TRACKER_MAX_ASSETS", "1", "a market has two tokens"),
        ("TRACKER_MAX_ASSETS", "99999999", "less than or equal to 1200000"),
    ],
)
def test_a_filter_that_can_choose_nothing_is_an_error(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(**{name: value})
    assert said in str(raised.value)
    assert name in str(raised.value)


def test_a_list_of_a_file_is_read_as_its_text(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('tags = ["Crypto ", "nba"]\n')
    assert loaded("--config", str(file)).config.tags == ("crypto", "nba")
    file.write_text('tags = [""]\n')
    with pytest.raises(ConfigError, match="must be a tag slug"):
        loaded("--config", str(file))


def test_as_many_tokens_may_be_chosen_as_the_catalog_holds() -> None:
    most = MOST_MARKETS * ASSETS_PER_MARKET
    assert loaded(TRACKER_MAX_ASSETS=str(most)).config.max_assets == most == MOST_ASSETS
