"""A validator for the few keywords of JSON Schema that the status document uses."""

from typing import Any

KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "type", "properties", "required",
    "items", "additionalProperties", "anyOf", "enum", "default",
}  # fmt: skip


def faults(found: Any, rule: dict[str, Any], root: dict[str, Any], at: str = "") -> list[str]:
    """Return what is wrong with a document, each with its place; unknown fields are wrong too."""
    assert set(rule) <= KNOWN, set(rule) - KNOWN
    if "$ref" in rule:
        return faults(found, root["$defs"][rule["$ref"].removeprefix("#/$defs/")], root, at)
    if "anyOf" in rule:
        each = [faults(found, choice, root, at) for choice in rule["anyOf"]]
        return [] if [] in each else [f"{at}: none of the choices"]
    if "enum" in rule:
        return [] if found in rule["enum"] else [f"{at}: {found!r}"]
    kind: str = rule["type"]
    if not isinstance(found, KINDS[kind]) or (isinstance(found, bool) and kind != "boolean"):
        return [f"{at}: {found!r} is no {kind}"]
    if isinstance(found, list):
        return [
            f for n, one in enumerate(found) for f in faults(one, rule["items"], root, f"{at}[{n}]")
        ]
    return _object(found, rule, root, at) if isinstance(found, dict) else []


def _object(
    found: dict[str, Any], rule: dict[str, Any], root: dict[str, Any], at: str
) -> list[str]:
    said = [f"{at}.{name}: missing" for name in rule.get("required", ()) if name not in found]
    for name, value in found.items():
        inner = rule.get("properties", {}).get(name, rule.get("additionalProperties"))
        said += faults(value, inner, root, f"{at}.{name}") if inner else [f"{at}.{name}: unknown"]
    return said
