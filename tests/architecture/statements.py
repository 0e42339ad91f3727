"""Finds SQL that is put together: each statement that reaches the driver is traced to where it is.

A statement is whole if it is a constant, one of `queries`, or made by `psycopg.sql`, which quotes
what it is given, as `queries.filled` does. A function that passes its parameter on is followed to
those who call it.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Final

DRIVER: Final = frozenset(
    {
        "execute", "executemany", "copy", "stream", "send_query", "send_query_params", "exec_",
        "exec_params", "prepare", "send_prepare",
    }
)  # fmt: skip
"""Methods of psycopg whose first argument is a statement."""
OURS: Final = {"binary_copy.copy": 1}
"""A function of ours with the name of such a method, and the place of its statement."""

Bound = dict[str, list[ast.expr | None]]
"""Name → all that it is bound to; None: what is not known."""
Functions = list[ast.FunctionDef | ast.AsyncFunctionDef]


def assembled(source: str, permitted: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield each argument that is no whole statement, as `line: code`.

    Args:
        source: Of a module that speaks to the database.
        permitted: Expressions that hold what was read from a file of ours.
    """
    tree = ast.parse(source)
    functions: Functions = [each for each in ast.walk(tree) if isinstance(each, _FUNCTIONS)]
    runners = {**dict.fromkeys(DRIVER, 0), **OURS, **dict.fromkeys(_aliases(tree), 0)}
    while more := {**_passing_on(functions, runners), **runners}.items() - runners.items():
        runners.update(more)
    constants = _assigned(tree.body)
    inside = {id(node) for each in functions for node in ast.walk(each)}
    outside = [node for node in ast.walk(tree) if id(node) not in inside]
    for function, nodes in [(None, outside), *((f, list(ast.walk(f))) for f in functions)]:
        names = {**constants, **(_assigned(function.body) if function else {})}
        parameters = _parameters(function) if function else []
        for given in _statements(nodes, runners):
            passed_on = isinstance(given, ast.Name) and given.id in parameters
            reassigned = isinstance(given, ast.Name) and given.id in names
            whole = (passed_on and not reassigned) or _is_whole(given, names)
            if not whole and ast.unparse(given) not in permitted:
                yield f"{given.lineno}: {ast.unparse(given)}"


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _aliases(tree: ast.AST) -> Iterator[str]:
    """Yield what a method of the driver is called here: `run = connection.execute`."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute)):
            continue
        if node.value.attr in DRIVER:
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def _passing_on(functions: Functions, runners: dict[str, int]) -> dict[str, int]:
    """Return the functions whose parameter is a statement of one of these, and its place."""
    found = {}
    for function in functions:
        parameters = _parameters(function)
        for given in _statements(ast.walk(function), runners):
            if isinstance(given, ast.Name) and given.id in parameters:
                found[function.name] = parameters.index(given.id)
    return found


def _statements(nodes: Iterable[ast.AST], runners: dict[str, int]) -> Iterator[ast.expr]:
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        name = ast.unparse(node.func) if ast.unparse(node.func) in OURS else name
        if name in runners:
            named = [each.value for each in node.keywords if each.arg in ("query", "statement")]
            yield from [*node.args[runners[name] :][:1], *named]


def _assigned(body: list[ast.stmt]) -> Bound:
    """Return all that each name is bound to; None: what is not known."""
    found: Bound = {}
    for node in (node for each in body for node in ast.walk(each)):
        targets, value = _binding(node)
        for target in targets:
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(value)
    return found


def _binding(node: ast.AST) -> tuple[list[ast.expr], ast.expr | None]:
    """Return what a node binds, and to what."""
    if isinstance(node, ast.Assign):
        return node.targets, node.value
    if isinstance(node, ast.AnnAssign | ast.NamedExpr):
        return [node.target], node.value
    if isinstance(node, ast.AugAssign):
        return [node.target], None
    return [], None


def _is_whole(given: ast.expr | None, names: Bound) -> bool:
    whole = False
    match given:
        case ast.Constant(value=str() | bytes()):
            whole = True
        case ast.Attribute(value=ast.Name(id="queries"), attr=name):
            whole = name.isupper()
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="queries"), attr="filled"), args=[query]
        ):
            whole = _is_whole(query, names)  # `psycopg.sql` quotes the values
        case ast.Call(func=ast.Attribute(value=made, attr="as_string")):
            whole = _is_whole(made, names)
        case ast.IfExp(body=one, orelse=other):
            whole = _is_whole(one, names) and _is_whole(other, names)
        case ast.Name(id=name):
            left = {each: bound for each, bound in names.items() if each != name}
            whole = name in names and all(_is_whole(each, left) for each in names[name])
        case ast.Call(func=ast.Attribute(value=ast.Name(id="sql"), attr="SQL"), args=[text]):
            whole = isinstance(text, ast.Constant)
        case ast.Call(func=ast.Attribute(value=made, attr="format" | "join")):
            whole = _is_sql(made, names)
    return whole


def _is_sql(given: ast.expr, names: Bound) -> bool:
    """Return whether this is a text of `psycopg.sql`, whose `format` quotes."""
    if isinstance(given, ast.Name):
        bound = names.get(given.id, [None])
        return all(isinstance(each, ast.Call) and _is_whole(each, {}) for each in bound)
    return isinstance(given, ast.Call) and _is_whole(given, names)
