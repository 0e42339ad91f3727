"""Types of settings (URLs, paths, lists), and which parts of them are secret.

An error message never repeats any part of a value: it may be a password.
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

SHORTEST_SECRET = 4
"""Characters. A shorter text would be replaced in log lines that do not hold the secret."""

_SHARE = re.compile(r"([1-9]\d?)/([1-9]\d?)", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SLUG = re.compile(r"[^\s/:?#,]+")
_CONDITION = re.compile(r"0x[0-9a-f]{62}(?:[0-9a-f]{2})?")
_CONDITION_LENGTH = 66
"""Gamma writes the ids of V2 without the two zeros at their end."""
_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?polymarket\.com/(?:[a-z]{2}/)?(?:event|market)/"
    r"(?:[^/?#]+/)?([^/?#]+)/?(?:[?#].*)?"
)
"""The page of a market. That of an event with one market has the slug of both."""
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _web_url(text: str, schemes: tuple[str, ...]) -> str:
    """Check the form of a URL and return it without a final slash."""
    if len(text) > 2048 or _CONTROL.search(text):
        raise ValueError("is too long, or contains blanks or control characters")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.fragment:
        raise ValueError(f"must be a URL like {schemes[-1]}://host[:port]/path")
    return text.rstrip("/")


def _feed_url(text: str) -> str:
    return _web_url(text, ("ws", "wss"))


def _http_url(text: str) -> str:
    return _web_url(text, ("http", "https"))


def _rpc_url(value: SecretStr) -> SecretStr:
    return SecretStr(_http_url(value.get_secret_value()))


def _database_url(value: SecretStr) -> SecretStr:
    """Check only the form: a message of libpq about a malformed URL may repeat the password."""
    text = value.get_secret_value()
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError(
            'must begin with "postgresql://"; user, @, host, /, and the name of the database follow'
        )
    if len(text) > 4096 or _CONTROL.search(text):
        raise ValueError("is too long, or contains blanks or control characters")
    if _BAD_ESCAPE.search(text):
        raise ValueError("has a % without two hex digits after it; write % itself as %25")
    authority = text.partition("://")[2].partition("?")[0]
    if authority.count("@") > 1:
        raise ValueError("has more than one @; in a user name or password write @ as %40")
    try:
        urlsplit(text)
    except ValueError:
        raise ValueError("has unbalanced brackets; in a password write [ as %5B") from None
    return value


def _split(value: object) -> object:
    """Return a comma-separated text as a list; any other value as it is."""
    if not isinstance(value, str):
        return value
    words = tuple(word for part in value.split(",") if (word := part.strip()))
    if value.strip() and not words:
        raise ValueError("has commas and nothing between them; leave it out to set nothing")
    return words


def _split_or_off(value: object) -> object:
    """Return a comma-separated text as a list, and the word `off` as an empty one."""
    return () if isinstance(value, str) and value.strip().lower() == "off" else _split(value)


def _tag(word: str) -> str:
    """Return a tag slug in lower case."""
    if not _SLUG.fullmatch(word.strip()):
        raise ValueError("must be a tag slug such as crypto or middle-east, without blanks")
    return word.strip().lower()


def _market(word: str) -> str:
    """Return a market's slug in lower case, or its condition id as we write it."""
    name = word.strip().lower()
    address = _ADDRESS.fullmatch(name)
    name = address[1] if address else name
    if name.startswith("0x"):
        if not _CONDITION.fullmatch(name):
            raise ValueError("is no condition id: 64 hexadecimal digits follow the 0x, or 62")
        return name.ljust(_CONDITION_LENGTH, "0")
    if not _SLUG.fullmatch(name):
        raise ValueError(
            "must be a condition id (0x…), a market's slug such as will-it-rain, or the address"
            " of its page, https://polymarket.com/event/EVENT/MARKET"
        )
    return name


def _unset(value: object) -> object:
    return None if isinstance(value, str) and value.lower() in ("", "off", "none") else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _expanded(path: Path) -> Path:
    """Expand `~`, and make a relative path absolute from the working directory."""
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError("begins with ~, and the home directory is not known") from None


def _header(text: str) -> str:
    if not text.isascii() or not text.isprintable() or not 1 <= len(text) <= 200:
        raise ValueError("must be 1 to 200 printable ASCII characters")
    return text


def _ip_address(text: str) -> str:
    try:
        found = ip_address(text.strip())
    except ValueError:
        found = None
    # With a zone it would be another one on each host; nobody can listen on a group's address.
    if found is None or "%" in text or found.is_multicast:
        raise ValueError(
            "must be an IP address of this host, such as 127.0.0.1, or 0.0.0.0 or :: for all;"
            " not a name, and without a port"
        )
    return str(found)


def _share(text: str) -> str:
    found = _SHARE.fullmatch(text)
    if not found or int(found[1]) > int(found[2]):
        raise ValueError("must be a share such as 2/3, the second of three; at most 99")
    return text


Seconds = Annotated[float, Field(allow_inf_nan=False)]
FeedUrl = Annotated[str, AfterValidator(_feed_url)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
RpcUrls = Annotated[
    tuple[Annotated[SecretStr, AfterValidator(_rpc_url)], ...], BeforeValidator(_split_or_off)
]
Tags = Annotated[tuple[Annotated[str, AfterValidator(_tag)], ...], BeforeValidator(_split)]
Markets = Annotated[tuple[Annotated[str, AfterValidator(_market)], ...], BeforeValidator(_split)]
Directory = Annotated[Path, AfterValidator(_expanded)]
Port = Annotated[int | None, BeforeValidator(_unset)]
Address = Annotated[str, AfterValidator(_ip_address)]
HeaderText = Annotated[str, AfterValidator(_header)]
Share = Annotated[str, AfterValidator(_share)]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]


def shown_rpc(url: str) -> str:
    """Return scheme, host and port of an endpoint: the part of the URL that never holds a key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{'/…' if parts.path.strip('/') or parts.query else ''}"


def shown_url(url: str) -> str:
    """Return a URL without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def secrets_of(url: str, *, whole: bool) -> set[str]:
    """Return the parts of a URL that must not be printed, in each form that a library may print.

    Args:
        url: Any URL of the settings.
        whole: The whole URL is secret (a database, an endpoint with a key in its path).
    """
    parts = urlsplit(url)
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    found = {password, unquote(password)}
    database = parts.scheme.startswith("postgres")
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        # Of a database URL passwords only: other values, such as `require`, are ordinary words that
        # would be replaced in all log lines.
        if "pass" in name or not database:
            found |= {value, unquote(value)}
    if whole:
        found.add(url)
    if whole and not database:
        # A key in the path of an endpoint; shorter pieces are words such as `v2`.
        found |= {piece for piece in parts.path.split("/") if len(piece) >= 16}
    return {text for text in found if len(text) >= SHORTEST_SECRET}
