"""Finds what would loosen TLS: by a name, an assignment, a keyword, or a name in a text."""

import ast
from collections.abc import Iterator
from typing import Final

NAMES: Final = frozenset(
    {
        "CERT_NONE", "CERT_OPTIONAL", "VERIFY_DEFAULT", "_create_unverified_context",
        "_create_stdlib_context", "_create_default_https_context", "_https_verify_certificates",
        "disable_warnings", "PROTOCOL_TLS", "PROTOCOL_SSLv23", "PROTOCOL_SSLv3", "PROTOCOL_TLSv1",
        "PROTOCOL_TLSv1_1", "SSLv3", "TLSv1", "TLSv1_1", "MINIMUM_SUPPORTED", "keylog_filename",
        "set_ciphers", "sslobject_class", "sslsocket_class",
    }
)  # fmt: skip
"""What the source never names, in whichever way."""
SETTINGS: Final = frozenset(
    {
        "verify_mode", "check_hostname", "verify", "verify_flags", "options", "minimum_version",
        "maximum_version", "hostname_checks_common_name", "cert_reqs", "assert_hostname",
        "assert_fingerprint", "ssl_version", "security_level", "sni_callback",
    }
)  # fmt: skip
"""Of a context, a session or a call: only what `permitted` says is set."""
OF_CALLS: Final = SETTINGS - {"options"}
"""The same as keywords and in texts; `options` of a connection to the database are others."""
SETTERS: Final = frozenset({"setattr", "__setattr__", "delattr", "__delattr__"})


def loosened(source: str, permitted: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield what is named or set, as `line: code`.

    Args:
        source: Of a module.
        permitted: Assignments and keywords that are right, as code.
    """
    for node in ast.walk(ast.parse(source)):
        said = _said(node)
        if said and said not in permitted:
            yield f"{getattr(node, 'lineno', 0)}: {said}"


def _said(node: ast.AST) -> str:
    """Return the code of a node that names or sets something of the kind; empty for another."""
    match node:
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Delete() | ast.For():
            found = any(map(_is_setting, _targets(node)))
        case ast.withitem(optional_vars=ast.AST() as bound):
            found = any(map(_is_setting, ast.walk(bound)))
        case ast.keyword(arg=name, value=value):
            is_true = isinstance(value, ast.Constant) and value.value is True
            found = name in NAMES or (name in OF_CALLS and not is_true)
        case ast.Call(func=called, args=args):
            fixed = len(args) > 1 and isinstance(args[1], ast.Constant)
            found = ast.unparse(called).rpartition(".")[2] in SETTERS and not fixed
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.alias(name=name):
            found = name in NAMES
        case ast.Constant(value=text):
            found = text in NAMES | OF_CALLS
        case _:
            found = False
    return ast.unparse(node) if found else ""


def _targets(
    node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Delete | ast.For,
) -> Iterator[ast.AST]:
    """Yield all that a statement binds."""
    bound = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
    for each in bound:
        yield from ast.walk(each)


def _is_setting(node: ast.AST) -> bool:
    stored = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
    return isinstance(node, ast.Attribute) and stored and node.attr in SETTINGS
