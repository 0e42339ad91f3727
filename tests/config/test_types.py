"""A value that is rejected is never repeated: it may be a password."""

import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from actors.config import types
from actors.config.load import describe, load
from actors.errors import ConfigError
from actors.model.market import Shard

PASSWORD = "hunter2-open-sesame"
URL = f"postgresql://tracker:{PASSWORD}@db.example:5432/tracker"


def rejected(*argv: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(argv, environ)
    return str(caught.value)


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


MALFORMED = [
    f"postgresql://tracker:{PASSWORD}@[db/x",
    f"postgresql://tracker:{PASSWORD}@x@db/x",
    f"postgresql://tracker:%zz{PASSWORD}@db/x",
    f"postgresql://tracker:{PASSWORD} @db/x",
    f"postgresql://tracker:{PASSWORD}\n@db/x",
    f"postgres:/tracker:{PASSWORD}@db/x",
    f"mysql://tracker:{PASSWORD}@db/x",
    PASSWORD,
    f"password={PASSWORD} host=db",
    "postgresql://tracker:" + PASSWORD * 300 + "@db/x",
]


@pytest.mark.parametrize("url", MALFORMED)
@pytest.mark.parametrize("source", ["flag", "variable", "credential", "file"])
def test_no_malformed_url_is_repeated(tmp_path: Path, url: str, source: str) -> None:
    argv, environ = [], {}
    if source == "flag":
        argv = ["--database-url", url]
    elif source == "variable":
        environ = {"TRACKER_DATABASE_URL": url}
    elif source == "credential":
        (tmp_path / "database_url").write_text(url)
        environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    else:
        toml = url.replace("\n", "\\n")
        argv = ["--config", str(written(tmp_path / "t.toml", f'database_url = "{toml}"'))]
    with pytest.raises(ConfigError) as caught:
        load(argv, environ)
    printed = "".join(traceback.format_exception(caught.value))
    # The traceback quotes this very file; only what the errors say counts.
    shown = f"{caught.value} {caught.value.__cause__} {caught.value.__cause__!r}"
    assert PASSWORD not in shown
    assert PASSWORD not in printed
    assert "database_url" in str(caught.value)


@pytest.mark.parametrize("argv", [
    (f"--databse-url={URL}",), ("--databse-url", URL), (URL,), (f"--check={URL}",),
    ("--database-url", URL, URL), (f"-x{URL}",),
])  # fmt: skip
def test_a_mistyped_command_line_does_not_repeat_its_values(argv: tuple[str, ...]) -> None:
    assert PASSWORD not in rejected(*argv)


def test_a_file_that_is_not_toml_is_not_quoted(tmp_path: Path) -> None:
    file = written(tmp_path / "t.toml", f'database_url = "{URL}\n')
    assert PASSWORD not in rejected("--config", str(file))
    file = written(tmp_path / "t.toml", f"database_url = {URL}\n")
    assert PASSWORD not in rejected("--config", str(file))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.text(max_size=60))
def test_any_url_is_accepted_or_rejected_without_being_repeated(text: str) -> None:
    marked = f"postgresql://u:{PASSWORD}{text}"
    try:
        found = load([], {"TRACKER_DATABASE_URL": marked}).config
        printed = repr(found) + describe(found)
    except ConfigError as exc:
        printed = str(exc)
    assert PASSWORD not in printed


def test_a_secret_on_the_command_line_or_in_an_open_file_is_warned_of(tmp_path: Path) -> None:
    (warning,) = load(["--database-url", URL], {}).warnings
    assert "process list" in warning
    file = written(tmp_path / "t.toml", f'database_url = "{URL}"\n', mode=0o644)
    (warning,) = load(["--config", str(file)], {}).warnings
    assert "holds database_url and others can read it; set its mode to 0600" in warning
    file.chmod(0o600)
    assert load(["--config", str(file)], {}).warnings == ()


@pytest.mark.parametrize("text", ["0/1", "2/1", "1/100", "1", "a/b", "1/2/3", "", " 1/2"])
def test_an_impossible_share_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="must be a share such as 2/3"):
        TypeAdapter(types.Share).validate_python(text)


@pytest.mark.parametrize("text", ["1/1", "2/3", "99/99"])
def test_what_settings_take_as_a_share_is_one(text: str) -> None:
    assert TypeAdapter(types.Share).validate_python(text) == text
    assert Shard.parse(text).count == int(text.split("/")[1])
