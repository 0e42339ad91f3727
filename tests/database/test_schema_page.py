"""What is made from the migrations and the page of data is as it would be made now."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.database import schema_page
from tests.database.schema_page import COMMENTS, MIGRATIONS, SCHEMA, SNAPSHOT, is_released

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDED = BEGAN + timedelta(seconds=5)
NOW = '{"at":"2026-03-01T12:00:03.25+00:00","on":"2026-03-01","for":"2026-01-01T00:00:00+00:00"}'
THEN = '{"at":"2025-11-30T09:15:00+00:00","on":"2025-11-30","for":"2026-01-01T00:00:00+00:00"}'


@pytest.mark.skipif(is_released(), reason="the migrations of a release are not edited")
def test_the_comments_are_made_from_the_page() -> None:
    assert schema_page.comments_sql(COMMENTS.read_text()) == COMMENTS.read_text(), "make schema"


def test_the_schema_is_made_from_the_migrations() -> None:
    assert schema_page.schema_sql(SCHEMA.read_text()) == SCHEMA.read_text(), "make schema"


@pytest.mark.skipif(is_released(), reason="the snapshot of a release is not edited")
def test_the_snapshot_has_the_migrations() -> None:
    text = SNAPSHOT.read_text()
    for migration in MIGRATIONS.glob("*.sql"):
        assert migration.read_text() in text, "make schema"


def test_a_line_of_a_snapshot_that_differs_in_times_of_now_stays() -> None:
    assert list(schema_page._kept([NOW], [THEN], BEGAN, ENDED)) == [THEN]
    session = '"session":"{}"'
    before, after = (session.format(digit * 8 + "-0000-4000-8000-00000000000a") for digit in "ab")
    assert list(schema_page._kept([NOW + after], [THEN + before], BEGAN, ENDED)) == [THEN + before]


@pytest.mark.parametrize(
    "changed",
    [
        NOW.replace("2026-01-01T", "2026-01-02T"),
        NOW.replace('"on"', '"off"'),
        NOW.replace("12:00:03.25", "12:00:06"),
    ],
)
def test_a_line_of_a_snapshot_that_differs_otherwise_is_new(changed: str) -> None:
    assert list(schema_page._kept([changed], [THEN], BEGAN, ENDED)) == [changed]
