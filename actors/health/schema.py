"""The JSON Schema of the health document, made from its types and their descriptions."""

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


def schema() -> str:
    """Give the schema as text."""
    made = msgspec.json.schema(Health)
    for part in made["$defs"].values():
        _describe(part)
    told = {"$schema": DIALECT, "title": "What tracker-status --json prints", **made}
    return f"{json.dumps(told, indent=1, ensure_ascii=False)}\n"


def _describe(part: dict[str, Any]) -> None:
    """Move what a docstring says of an attribute to that attribute."""
    text = inspect.cleandoc(part.get("description", ""))
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    part["description"] = _plain(summary)
    for names, meaning in _FIELD.findall(attributes):
        for name in names.split(", "):
            found = part["properties"][name]
            # A reference says what it is where it leads to, and allows no neighbours everywhere.
            if "$ref" not in found:
                found["description"] = _plain(meaning)


def _plain(text: str) -> str:
    return " ".join(text.split())
