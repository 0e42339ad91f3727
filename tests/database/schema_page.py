"""What is made from the migrations and docs/reference/data.md, before a release.

    python -m tests.database.schema_page

renews the comments of the last migration, which are the texts of the page;
sql/schema.sql, which is what the migrations build on plain PostgreSQL; and the
snapshot of this version. Nothing is written when nothing changed. After the
release of a version its migrations and its snapshot are not edited any more:
this says so then, and writes sql/schema.sql alone.
"""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from actors import __version__
from actors.database.queries import SQL
from tests.database.snapshot import of_this_version
from tests.docs.data_comments import Comment, comments

ROOT = Path(__file__).parents[2]
MIGRATIONS = SQL / "migrations"
COMMENTS = MIGRATIONS / "0007_add_comments.sql"
SCHEMA = SQL / "schema.sql"
SNAPSHOT = Path(__file__).parent / "released" / f"{__version__}.sql"
# The headings in sql/schema.sql; of a migration that is not here, its name without number and verb.
HEADINGS = {"0006_create_public.sql": "what readers ask"}
COLUMNS = 74
# The one statement of the migrations that builds something else on TimescaleDB.
BRANCHES = re.compile(
    r"^do \$timescale\$\n.*?"
    r"execute \$q\$(?P<table>create table .*?\))\$q\$ \|\| case when version is null"
    r" then '(?P<partition> partition by [^']*)' else '' end;\n"
    r"  if version is null then\n(?P<plain>.*?)  else\n.*?^\$timescale\$;\n",
    re.DOTALL | re.MULTILINE,
)
# What two snapshots of the same rows differ in: the clock of the database, and a session.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00")
DAY = r"\d{4}-\d\d-\d\d"
SESSION = re.compile(r'"session":"[0-9a-f-]{36}"')


def comments_sql(before: str) -> str:
    """Return the text of the migration of comments, with the head that it has."""
    head = before.partition("comment on ")[0]
    return head + "".join(map(_statement, comments()))


def _statement(comment: Comment) -> str:
    text = comment.text.replace("'", "''")
    return f"comment on {comment.kind} public.{comment.name} is\n  '{text}';\n"


def schema_sql(before: str) -> str:
    """Return the text of sql/schema.sql, with the head that it has."""
    files = sorted(MIGRATIONS.glob("*.sql"))
    first, *_ = sections = [_section(file) for file in files]
    head = before.partition(first.partition("\n")[0])[0]
    return head + "\n".join(sections)


def _section(migration: Path) -> str:
    name = migration.stem.split("_", 2)[2]
    title = f"-- {HEADINGS.get(migration.name, name)} "
    return f"{title.ljust(COLUMNS, '-')}\n\n{_plain(_body(migration.read_text()))}"


def _body(text: str) -> str:
    """Return a migration without the comment at its head, which is about the migration."""
    lines = text.splitlines(keepends=True)
    end = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return "".join(lines[end:]).lstrip("\n")


def _plain(text: str) -> str:
    """Return statements as they are on plain PostgreSQL."""
    return BRANCHES.sub(
        lambda found: (
            f"{_outdented(found['table'], 2)}{found['partition']};\n{_outdented(found['plain'], 4)}"
        ),
        text,
    )


def _outdented(text: str, by: int) -> str:
    return re.sub(rf"^ {{{by}}}", "", text, flags=re.MULTILINE)


def snapshot_sql(before: str) -> str:
    """Return the snapshot of this version; a line that differs in times of now stays as it was."""
    began = datetime.now(UTC) - timedelta(seconds=1)
    now = list(of_this_version())
    ended = datetime.now(UTC) + timedelta(seconds=1)
    known = before.splitlines()
    lines = "\n".join(now).splitlines()
    return "\n".join(_kept(lines, known, began, ended)) + "\n"


def _kept(lines: list[str], known: list[str], began: datetime, ended: datetime) -> Iterator[str]:
    exact = set(known)
    rows = [line for line in known if TIME.search(line)]
    for line in lines:
        pattern = None if line in exact else _of_any_time(line, began, ended)
        same = (each for each in rows if pattern and pattern.fullmatch(each))
        yield next(same, line)


def _of_any_time(line: str, began: datetime, ended: datetime) -> re.Pattern[str]:
    """Return what matches the line, also with other times in place of those from now."""
    pattern, end = "", 0
    for found in TIME.finditer(line):
        if began <= datetime.fromisoformat(found[0]) <= ended:
            pattern += re.escape(line[end : found.start()]) + TIME.pattern
            end = found.end()
    pattern += re.escape(line[end:])
    for day in {began.date().isoformat(), ended.date().isoformat()}:
        pattern = pattern.replace(f'"{re.escape(day)}"', f'"{DAY}"')
    session = SESSION.search(line)
    if session:
        pattern = pattern.replace(re.escape(session[0]), SESSION.pattern)
    return re.compile(pattern)


def is_released() -> bool:
    """Return whether the change log has a heading for this version."""
    return f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def main() -> int:
    """Renew what is made; name each file that changed."""
    makers = {SCHEMA: schema_sql}
    if is_released():
        print(f"{__version__} is released: only sql/schema.sql is made")  # noqa: T201 - a program for people
    else:
        makers = {COMMENTS: comments_sql, SCHEMA: schema_sql, SNAPSHOT: snapshot_sql}
    for file, make in makers.items():
        before = file.read_text() if file.exists() else ""
        after = make(before)
        if after != before:
            file.write_text(after)
            print(f"renewed {file.relative_to(ROOT)}")  # noqa: T201 - a program for people
    return 0


if __name__ == "__main__":
    sys.exit(main())
