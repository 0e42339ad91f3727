"""The help, the documentation and the values in effect agree with the declaration."""

from pathlib import Path

from actors.config import manual
from actors.config.load import Config, describe, load

ROOT = Path(__file__).parents[2]


def test_the_documentation_is_the_declaration() -> None:
    text = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    assert text == manual.markdown(), "renew it: make docs"


def test_the_effective_configuration_names_every_setting_and_its_source() -> None:
    lines = describe(load([], {"TRACKER_TAGS": "Sports"}).config).splitlines()
    assert [line.split()[0] for line in lines] == list(Config.model_fields)
    tags = next(line for line in lines if line.startswith("tags"))
    assert tags.split() == ["tags", "sports", "[variable", "TRACKER_TAGS]"]
    unset = next(line for line in lines if line.startswith("database_url"))
    assert unset.endswith("unset = embedded  [default]")
