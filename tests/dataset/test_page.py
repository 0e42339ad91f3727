"""docs/reference/dataset.md tells each file and column as it is written."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from actors.dataset import manifest, schemas

PAGE = (Path(__file__).parents[2] / "docs/reference/dataset.md").read_text()
FILES = {"trades": schemas.TRADES} | {
    name.removesuffix(".parquet"): schema for name, schema in schemas.TABLES.items()
}
WORDS = {
    "timestamp[us, tz=UTC]": "timestamp[us, UTC]",
    "decimal128(19, 18)": "decimal(19, 18)",
    "decimal128(38, 18)": "decimal(38, 18)",
    "string": "text",
    "bool": "boolean",
    "dictionary<values=string, indices=int32, ordered=0>": "text, dictionary",
}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def kind(of: pa.DataType) -> str:
    if isinstance(of, pa.ListType):
        inner = of.value_type
        return "list" if isinstance(inner, pa.StructType) else f"list of {kind(inner)}"
    return WORDS.get(str(of), str(of))


@pytest.mark.parametrize("name", FILES)
def test_each_column_is_told_with_its_type_in_order(name: str) -> None:
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| [^|]{5,} \|$", section(name), re.MULTILINE)
    assert rows[1:] == [(field.name, kind(field.type)) for field in FILES[name]]
    for field in FILES[name]:
        if isinstance(field.type, pa.ListType) and isinstance(field.type.value_type, pa.StructType):
            for inner in field.type.value_type:
                assert f"`{inner.name}`" in section(name)


def test_each_key_of_the_manifest_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", section("manifest.json")))
    for struct in (
        manifest.Manifest,
        manifest.Day,
        manifest.Cut,
        manifest.About,
        manifest.FileEntry,
    ):
        assert set(struct.__struct_fields__) <= told, struct
    assert f"Schema {schemas.VERSION}." in PAGE
