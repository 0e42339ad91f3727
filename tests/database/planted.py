"""Traps: a stranger's operators, functions, types and relations that stand in for the server's.

Where a role may create in `public`, as everybody may in PostgreSQL 14, it can plant there what a
name without a schema then means. Whoever calls it executes the stranger's code. Here each trap
raises an error that names who has sprung it.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from actors.database.queries import SQL

SPRUNG: Final = "planted code was executed by"
STRANGER: Final = "planter"

_BODY = f"""language plpgsql as
  $$begin raise exception '{SPRUNG} %', current_user; end$$"""
_CONCRETE: Final = (
    "text", "int4", "int8", "bool", "numeric", "timestamptz", "date", "uuid", "jsonb",
    "bytea", "name", "oid",
)  # fmt: skip
_OPERATORS = """select o.oid, o.oprname, o.oprleft::regtype::text, o.oprright::regtype::text,
      o.oprresult::regtype::text
    from pg_operator o where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprresult <> 0"""
_FUNCTIONS = """select p.proname, array(select unnest(p.proargtypes)::regtype::text),
      p.prorettype::regtype::text, p.proretset
    from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind <> 'p'
      and p.proname = any(%s)"""
_RELATIONS = """select relname from pg_class
    where relnamespace = 'pg_catalog'::regnamespace and relkind in ('r', 'v')
      and relname = any(%s)"""
_TYPES = """select typname from pg_type
    where typnamespace = 'pg_catalog'::regnamespace and typtype = 'b' and typname = any(%s)"""


def plant(dsn: str, stranger: str) -> int:
    """Plant all that the SQL of this project could run into; return how many traps there are.

    Args:
        dsn: The address of the database, as its administrator.
        stranger: The role that plants.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"grant create, usage on schema public to {stranger}".encode())
        connection.execute("set search_path = pg_catalog, pg_temp")
        traps = list(_traps(connection))  # before one of them is there
        connection.execute(f"set role {stranger}".encode())
        return sum(_try(connection, trap) for trap in traps)


def _words() -> list[str]:
    """Return every word of the project's SQL."""
    files = (SQL / "roles.sql", *SQL.glob("*/*.sql"))
    return sorted(set().union(*(re.findall(r"\w+", file.read_text()) for file in files)))


def _traps(connection: "psycopg.Connection[Any]") -> Iterator[str]:
    yield f"create function public.trap_count(bigint) returns bigint {_BODY}"
    yield (
        "create aggregate public.count(*)"
        " (sfunc = public.trap_count, stype = pg_catalog.int8, initcond = '0')"
    )
    words = _words()
    for name, given, result, is_set in connection.execute(_FUNCTIONS, (words,)).fetchall():
        for kind in _kinds(*given, result):
            arguments = ", ".join(_as(each, kind) for each in given)
            returned = ("setof " if is_set else "") + _as(result, kind)
            yield f'create function public."{name}"({arguments}) returns {returned} {_BODY}'
    for oid, name, left, right, result in connection.execute(_OPERATORS).fetchall():
        for kind in _kinds(left, right, result):
            # A prefix operator has no left side.
            sides = [_as(each, kind) for each in (left, right) if each != "-"]
            trap = f'public."trap_{oid}_{kind}"'
            yield f"create function {trap}({', '.join(sides)}) returns {_as(result, kind)} {_BODY}"
            named = ", ".join(
                f"{side} = {_as(each, kind)}"
                for side, each in (("leftarg", left), ("rightarg", right))
                if each != "-"
            )
            yield f"create operator public.{name} ({named}, function = {trap})"
    # A cast by itself, from types of the server's own to one of the stranger's.
    yield "create type public.planted as enum ('x')"
    for kind in _CONCRETE:
        trap = f"public.trap_cast(pg_catalog.{kind})"
        yield f"create function {trap} returns public.planted {_BODY}"
        yield f"create cast (pg_catalog.{kind} as public.planted) with function {trap} as implicit"
    yield f"create function public.trap_value() returns pg_catalog.bool {_BODY}"
    for (name,) in connection.execute(_RELATIONS, (words,)).fetchall():
        yield f'create view public."{name}" as select public.trap_value() as oid'
    for (name,) in connection.execute(_TYPES, (words,)).fetchall():
        yield (
            f'create domain public."{name}" as pg_catalog."{name}"'
            f" constraint planted check (public.trap_value())"
        )


def _kinds(*types: str) -> tuple[str, ...]:
    """Return the types for which a signature is to be written out; one when none is polymorphic."""
    ranges = any("range" in each and each.startswith("any") for each in types)
    if ranges:
        return ("timestamptz",)
    return _CONCRETE if any(each.startswith("any") for each in types) else ("text",)


def _as(found: str, kind: str) -> str:
    """Return a type, or what a polymorphic one is for this type of elements."""
    if found.startswith(("any", '"any"')):
        if "multirange" in found:
            return "pg_catalog.tstzmultirange"
        if "range" in found:
            return "pg_catalog.tstzrange"
        return f"pg_catalog.{kind}[]" if "array" in found else f"pg_catalog.{kind}"
    return found


def _try(connection: "psycopg.Connection[Any]", trap: str) -> bool:
    """Plant one trap, unless a stranger cannot: it is of a type that no function may have."""
    try:
        connection.execute(trap.encode())
    except (psycopg.ProgrammingError, psycopg.NotSupportedError):
        return False
    return True
