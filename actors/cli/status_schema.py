"""The JSON Schema of the status document: `bin/tracker-status --schema`."""

import inspect
import json
import re
from typing import Any

import msgspec

from actors.health.document import Health

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FIELD = re.compile(
    r"^    (\w+(?:, \w+)*): (.+?)(?=^    \w+(?:, \w+)*: |\Z)", re.MULTILINE | re.DOTALL
)
"""An entry of a docstring's `Attributes:`: its names and its text."""


def schema() -> str:
    """Return the JSON Schema of the document, with the docstrings as descriptions."""
    made = msgspec.json.schema(Health)
    for part in made["$defs"].values():
        _describe(part)
    titled = {"$schema": DIALECT, "title": "What tracker-status --json prints", **made}
    return f"{json.dumps(titled, indent=1, ensure_ascii=False)}\n"


def _describe(part: dict[str, Any]) -> None:
    """Move the text of each attribute from the docstring of its class to the attribute."""
    text = inspect.cleandoc(part.get("description", ""))
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    part["description"] = _plain(summary)
    for names, meaning in _FIELD.findall(attributes):
        for name in names.split(", "):
            found = part["properties"][name]
            # The target of a reference describes itself; not every reader allows a key beside $ref.
            if "$ref" not in found:
                found["description"] = _plain(meaning)


def _plain(text: str) -> str:
    return " ".join(text.split())
