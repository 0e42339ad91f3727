"""The declaration of all settings: names, defaults, units, ranges and meanings.

Flags, variables, file keys, `--help` and `docs/reference/configuration.md` are generated from
the fields of `Config`. `actors.config.load` reads the sources.
"""

from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import (
    ByteSize,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from actors import __version__
from actors.config.paths import DEFAULT_STATE_DIR, ROOT_STATE_DIR, SOCKET_NAME
from actors.config.types import (
    Address,
    DatabaseUrl,
    Directory,
    FeedUrl,
    HeaderText,
    HttpUrl,
    Level,
    Markets,
    Port,
    RpcUrls,
    Seconds,
    Share,
    Tags,
    secrets_of,
    shown_rpc,
    shown_url,
)
from actors.model.facts import LARGEST_RECORD_BYTES

GIB = 1 << 30
LONGEST_SOCKET_PATH = 100
"""Bytes; the limit of the kernel for the path of a Unix socket is 107."""
PUBLIC_NODES = (
    "https://polygon.drpc.org",
    "https://polygon-bor-rpc.publicnode.com",
    "https://1rpc.io/matic",
)
"""Nodes of Polygon that anybody may ask without a key, a little."""
MOST_ASSETS = 1_200_000
"""As many as the catalog keeps markets for (`catalog.universe.MOST_MARKETS`)."""
LOOPBACK = "127.0.0.1"
BOOLEANS = frozenset({"migrate", "audit", "audit_stream"})
_NOT_SET = Path("/")


def _setting(default: object, text: str, *, group: str, shown: str = "", **bounds: Any) -> Any:
    """Declare one setting.

    Args:
        default: Its value when no source has one.
        text: What it means, in one sentence, with its unit.
        group: Its heading in help and reference.
        shown: The default as text, when the value itself does not say enough.
        bounds: Limits as pydantic names them (`ge`, `le`).
    """
    extra: Any = {"group": group, "shown": shown}
    return Field(cast("Any", default), description=text, json_schema_extra=extra, **bounds)


class Config(BaseSettings):
    """The settings of one run, frozen. `Config()` has the defaults and reads no source."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )

    database_url: DatabaseUrl | None = _setting(
        None,
        "Where trades are stored. Unset: an embedded PostgreSQL in the state directory.",
        group="Database",
        shown="unset = embedded",
    )
    migrate: bool = _setting(
        True, "Bring the database schema up to date at start, if its role may.", group="Database"
    )
    state_dir: Directory = _setting(
        Path(DEFAULT_STATE_DIR),
        "Directory of the journal and of the embedded database; for one tracker at a time.",
        group="Paths",
        shown=(
            f"$STATE_DIRECTORY, else $XDG_STATE_HOME/tracker, else {DEFAULT_STATE_DIR}"
            f" ({ROOT_STATE_DIR} for root)"
        ),
    )
    status_socket: Directory = _setting(
        _NOT_SET,
        f"Unix socket that tracker-status asks; at most {LONGEST_SOCKET_PATH} bytes.",
        group="Paths",
        shown="$RUNTIME_DIRECTORY/tracker.sock, else <state dir>/tracker.sock",
    )
    market_ws_url: FeedUrl = _setting(
        "wss://ws-subscriptions-clob.polymarket.com/ws/market",
        "WebSocket URL of the market channel.",
        group="Polymarket",
    )
    gamma_url: HttpUrl = _setting(
        "https://gamma-api.polymarket.com",
        "Gamma API: markets and their outcomes.",
        group="Polymarket",
    )
    clob_url: HttpUrl = _setting(
        "https://clob.polymarket.com", "CLOB API: winners of markets.", group="Polymarket"
    )
    data_url: HttpUrl = _setting(
        "https://data-api.polymarket.com", "Data API: resolutions.", group="Polymarket"
    )
    rtds_url: FeedUrl = _setting(
        "wss://ws-live-data.polymarket.com",
        "WebSocket URL of the stream of all markets (RTDS); see TRACKER_AUDIT_STREAM.",
        group="Polymarket",
    )
    polygon_rpc_urls: RpcUrls = _setting(
        tuple(map(SecretStr, PUBLIC_NODES)),
        "JSON-RPC endpoints of Polygon, comma-separated, tried in this order; off: the chain is not"
        " asked. The default ones are asked one request a second at most, and only where the other"
        " sources are few or disagree.",
        group="Polymarket",
        shown=", ".join(PUBLIC_NODES),
        max_length=10,
    )
    user_agent: HeaderText = _setting(
        f"polymarket-tracker/{__version__}", "User-Agent of all requests.", group="Polymarket"
    )
    redundancy: int = _setting(
        2, "Independent connections that listen to every token.", group="Feed", ge=1, le=4
    )
    # Other collectors use 200 to 250. Above 500 first books were reported to stay away.
    assets_per_connection: int = _setting(
        200, "Maximum number of tokens on one connection.", group="Feed", ge=2, le=500
    )
    silence_seconds: Seconds = _setting(
        60.0,
        "Seconds without data within which a connection must have been shown to be alive; books "
        "are asked for 10 s earlier. Silence alone replaces nothing.",
        group="Feed",
        ge=5,
        le=3600,
    )
    replace_seconds: Seconds = _setting(
        21_600.0,
        "Age in seconds, ± 20 %, at which a connection is replaced, without a gap.",
        group="Feed",
        ge=5,
        le=604800,
    )
    # One message may hold the books of a whole subscription, 3 to 17 kB each as recorded.
    max_message_bytes: ByteSize = _setting(
        ByteSize(16 << 20),
        "Largest message accepted from the feed, bytes (or 16MiB).",
        group="Feed",
        shown="16MiB",
        ge=64 << 10,
        le=LARGEST_RECORD_BYTES,
    )
    max_assets: int = _setting(
        0,
        "Maximum number of tokens to record, two a market: of the markets with the most volume so"
        " far. A chosen one stays until it has its outcome; then the largest of that moment takes"
        " its place (docs/how-to/install.md). 0: all, up to 1,200,000.",
        group="Universe",
        ge=0,
        le=MOST_ASSETS,
    )
    min_volume: Decimal = _setting(
        Decimal(0),
        "Record only markets that traded at least this much, USDC.",
        group="Universe",
        ge=0,
        allow_inf_nan=False,
    )
    tags: Tags = _setting(
        (), "Record only markets with one of these tag slugs, comma-separated.", group="Universe"
    )
    markets: Markets = _setting(
        (),
        "Record only these markets, comma-separated: condition ids, slugs or addresses of pages.",
        group="Universe",
    )
    shard: Share = _setting(
        "1/1",
        "Record only this share of the markets, such as 2/3: several trackers, one database.",
        group="Universe",
    )
    discovery_seconds: Seconds = _setting(
        30.0, "Seconds between checks for new markets.", group="Universe", ge=1, le=3600
    )
    closed_seconds: Seconds = _setting(
        86_400.0,
        "Seconds for which a closed market without a resolution is still listened to;"
        " its resolution is awaited without limit.",
        group="Universe",
        ge=60,
        le=31_536_000,
    )
    resolution_seconds: Seconds = _setting(
        60.0,
        "Seconds between checks of a market that should resolve.",
        group="Resolution",
        ge=1,
        le=86400,
    )
    resolution_hold_seconds: Seconds = _setting(
        330.0,
        "Seconds that an agreed outcome must stay unchanged before it is recorded; longer where"
        " caches keep answers longer. A smaller value is for rehearsals.",
        group="Resolution",
        ge=0,
        le=604800,
    )
    audit: bool = _setting(
        True,
        "Ask the Data API, and the chain about what it lists otherwise, whether a trade is missing."
        " What was missed is found, and not filled in.",
        group="Audit",
    )
    audit_markets: int = _setting(
        20,
        "Hours of markets that are audited in an hour.",
        group="Audit",
        ge=1,
        le=1000,
    )
    audit_stream: bool = _setting(
        False,
        "Listen to the stream of all markets, too, and compare a sample of it. Undocumented, and"
        " 1 to 2 GB of traffic a day.",
        group="Audit",
    )
    journal_sync_ms: int = _setting(
        20,
        "Milliseconds between syncs of the journal to disk: how much a power loss can cost.",
        group="Journal",
        ge=1,
        le=1000,
    )
    journal_max_bytes: ByteSize | None = _setting(
        None,
        "Largest journal, bytes (or 20GiB). When it is full, reading stops and a gap is recorded.",
        group="Journal",
        shown="20GiB or half of the disk space that is free or the journal's, whichever is less",
        ge=1 << 20,
    )
    inflight_max: int = _setting(
        50_000,
        "Maximum number of trades in memory for the database writer; more wait in the journal.",
        group="Journal",
        ge=100,
        le=1_000_000,
    )
    cpus: Literal["one", "all"] = _setting(
        "one",
        "Processors to run on. On several, threads of one interpreter slow each other down.",
        group="Process",
    )
    metrics_port: Port = _setting(
        None,
        "TCP port for Prometheus metrics, and for a page of the status.",
        group="Monitoring",
        shown="off",
        ge=1,
        le=65535,
    )
    metrics_address: Address = _setting(
        LOOPBACK,
        "IP address on which that port is served. Whoever reaches it may read, without a password.",
        group="Monitoring",
    )
    log_level: Level = _setting("INFO", "Lowest level that is logged.", group="Monitoring")
    log_format: Literal["auto", "json", "console"] = _setting(
        "auto",
        "Format of log lines.",
        group="Monitoring",
        shown="auto = console on a terminal, else json",
    )

    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the arguments of the constructor, then the sources in `layers`, first one first."""
        # `actors.config.load` reads them itself: its messages name the place of each value.
        del env_settings, dotenv_settings, file_secret_settings
        given = dict(cast("InitSettingsSource", init_settings).init_kwargs)
        layers = given.pop("layers", ())
        return tuple(InitSettingsSource(settings_cls, layer) for layer in (given, *layers))

    @model_validator(mode="before")
    @classmethod
    def _no_odd_booleans(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Reject `redundancy = true`, which would count as 1."""
        odd = [n for n, value in values.items() if isinstance(value, bool) and n not in BOOLEANS]
        if odd:
            raise ValueError(f"{odd[0]}: must not be true or false")
        return values

    @field_validator("status_socket", mode="after")
    @classmethod
    def _complete_socket_path(cls, path: Path, info: ValidationInfo) -> Path:
        """Set the default, which is in the state directory, and check the length of the path.

        Raises:
            ValueError: The path is longer than the address of a Unix socket may be.
        """
        if path == _NOT_SET:
            path = info.data.get("state_dir", _NOT_SET) / SOCKET_NAME
        length = len(bytes(path))
        if length > LONGEST_SOCKET_PATH:
            raise ValueError(
                f"its path has {length} bytes and the limit is {LONGEST_SOCKET_PATH};"
                " set a shorter TRACKER_STATUS_SOCKET"
            )
        return path

    @field_validator("max_assets", mode="after")
    @classmethod
    def _place_for_a_market(cls, most: int) -> int:
        if most == 1:
            raise ValueError("must not be 1: a market has two tokens, so that none would fit")
        return most

    def with_origins(self, origins: Mapping[str, str]) -> Self:
        """Record the source of each value, and return this configuration."""
        self._origins = dict(origins)
        return self

    def origin(self, name: str) -> str:
        """Return the source of a value: `default`, a flag, a variable, a file and its line."""
        return self._origins.get(name, "default")

    def place_of(self, name: str) -> str:
        """Return where a person corrects a value: a flag, a variable, or a place in a file."""
        kind, _, place = self.origin(name).partition(" ")
        return place if kind in ("flag", "variable") else f"{name} ({self.origin(name)})"

    @property
    def dsn(self) -> str | None:
        """Return the database URL with its password. Never print it."""
        return self.database_url.get_secret_value() if self.database_url else None

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """Return the JSON-RPC URLs with their keys. Never print them."""
        return tuple(url.get_secret_value() for url in self.polygon_rpc_urls)

    @property
    def has_public_nodes(self) -> bool:
        """Return whether the chain is asked through the default nodes, which are for everybody."""
        return self.rpc_urls == PUBLIC_NODES

    @property
    def open_to(self) -> str:
        """Return the address at which others than this host may read; empty: at none."""
        served = self.metrics_port is not None
        is_open = served and not ip_address(self.metrics_address).is_loopback
        return self.metrics_address if is_open else ""

    def journal_cap(self, space: int) -> int:
        """Return the largest size of the journal, in bytes.

        Args:
            space: Bytes of the disk that are free or that the journal takes.
        """
        # A size from the settings is a pydantic ByteSize, which the status cannot encode.
        return int(self.journal_max_bytes or min(20 * GIB, space // 2))

    def secrets(self) -> tuple[str, ...]:
        """Return every text that must not appear in a log line or a status, longest first."""
        found: set[str] = set()
        ours = (self.market_ws_url, self.rtds_url, self.gamma_url, self.clob_url, self.data_url)
        plain = (*ours, *PUBLIC_NODES)
        for url in (*((self.dsn,) if self.dsn else ()), *self.rpc_urls, *plain):
            found |= secrets_of(url, whole=url not in plain)
        return tuple(sorted(found, key=lambda text: (-len(text), text)))

    def shown(self, name: str) -> str:
        """Return a value as it may be printed."""
        value = getattr(self, name)
        if name == "polygon_rpc_urls":
            shown = (url if url in PUBLIC_NODES else shown_rpc(url) for url in self.rpc_urls)
            return ", ".join(shown) or "off"
        if value is None or value == ():
            return "unset"
        if isinstance(value, SecretStr):
            return "(set, not shown)"
        if name.endswith("_url"):
            return shown_url(value)
        if isinstance(value, tuple):
            return ", ".join(value)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Keep every secret out of `repr` and `str`."""
        return [(name, self.shown(name)) for name in type(self).model_fields]
