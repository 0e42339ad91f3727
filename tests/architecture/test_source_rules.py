"""No SQL is put together in the source, and nothing in it loosens TLS, in whichever way."""

import re
from pathlib import Path

import pytest

from tests.architecture.loosened import loosened
from tests.architecture.statements import assembled

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "actors").rglob("*.py"))
OF_FILES = {"migrate.py": frozenset({"step.text"})}
"""What holds a statement of a migration."""
SET_RIGHT = frozenset(
    {
        "context.minimum_version = ssl.TLSVersion.TLSv1_2",
        # Of the simulator.
        "self.options = options",
        "setattr(self._simulation.exchange, name, _number(body, name, 0))",
    }
)


def test_no_statement_is_put_together_in_the_source() -> None:
    speaking = [
        path
        for path in SOURCES
        if "database" in path.parts or re.search(r"\bpsycopg\b", path.read_text())
    ]
    assert len(speaking) > 30
    for path in speaking:
        found = assembled(path.read_text(), OF_FILES.get(path.name, frozenset()))
        assert list(found) == [], path


def test_each_query_is_a_file_as_it_is() -> None:
    lines = (ROOT / "actors" / "database" / "queries.py").read_text().splitlines()
    named = [
        line for line in lines if re.match(r"[A-Z_]+ ", line) and not line.startswith("SQL = ")
    ]
    assert len(named) > 80
    odd = [line for line in named if not re.fullmatch(r'([A-Z_]+) = read\("\w+"\)', line)]
    assert odd == ['ROLES = (SQL / "roles.sql").read_bytes()']


@pytest.mark.parametrize(
    "code",
    [
        'c.execute(f"select {x}")',
        'c.execute("select " + x)',
        'c.execute("select %s" % x)',
        'c.execute("select {}".format(x))',
        'c.execute(" ".join(x))',
        "c.execute(x)",
        "c.execute(queries.SELECT + x)",
        "c.execute(queries.SELECT.replace(b'a', x))",
        'c.execute(query=f"select {x}")',
        "c.cursor().executemany(x, [])",
        'with c.cursor().copy(f"copy {x}") as w: pass',
        'run = c.execute\nrun(f"select {x}")',
        'def f():\n    run = c.execute\n    run(f"select {x}")',
        'def f():\n    text = f"select {x}"\n    c.execute(text)',
        'def f():\n    text = "select "\n    text += x\n    c.execute(text)',
        'def f(query):\n    query = f"select {query}"\n    c.execute(query)',
        'def f(query):\n    c.execute(query)\nf(f"select {x}")',
        'def f(query):\n    c.execute(query)\ndef g(a, text):\n    f(text)\ng(1, f"select {x}")',
        'class A:\n  def f(self, query):\n    c.execute(query)\n  def g(self): self.f("a" + x)',
        'c.execute(sql.SQL(f"select {x}"))',
        'c.execute(sql.SQL("select {}" + x).format(y))',
        "c.execute(queries.SELECT if x else y)",
        "c.pgconn.send_query(b'select ' + x)",
        'c.execute(queries.filled(f"select {x}"))',
        "c.execute(queries.filled(queries.SELECT + x, at=at))",
        "c.execute(queries.filled(x))",
        "c.execute(x.as_string(c))",
    ],
)
def test_a_statement_that_is_put_together_is_found(code: str) -> None:
    assert list(assembled(code))


@pytest.mark.parametrize(
    "code",
    [
        'c.execute("select 1")',
        "c.execute(queries.SELECT, {})",
        "run = c.execute\nrun(queries.SELECT)",
        "def f(query):\n    c.execute(query)\nf(queries.SELECT)",
        'c.execute(sql.SQL("select {}").format(sql.Literal(x)))',
        'Q = sql.SQL("select {}")\nc.execute(Q.format(sql.Literal(x)))',
        "c.execute(queries.SELECT if x else queries.OTHER)",
        "c.execute(queries.filled(queries.SELECT, at=at))",
        "c.execute(queries.filled(queries.SELECT, at=at).as_string(d))",
        'T = ("select "\n     "1")\ndef f():\n    c.execute(T)',
    ],
)
def test_a_statement_that_is_whole_is_taken(code: str) -> None:
    assert list(assembled(code)) == []


def test_nothing_in_the_source_loosens_tls() -> None:
    for path in SOURCES:
        assert list(loosened(path.read_text(), SET_RIGHT)) == [], path


@pytest.mark.parametrize(
    "code",
    [
        "context.verify_mode = ssl.CERT_NONE",
        "context.verify_mode = 0",
        "ctx.check_hostname = 0",
        "ctx.check_hostname = bool(x)",
        "ctx.check_hostname, y = 0, 1",
        "ctx.options |= x",
        "ctx.verify_flags &= ~x",
        "self.tls.minimum_version = ssl.TLSVersion.TLSv1_1",
        "context.maximum_version = x",
        "from ssl import CERT_NONE",
        "from ssl import CERT_NONE as needed",
        "setattr(ctx, 'check_hostname', 0)",
        "setattr(ctx, name, 0)",
        "object.__setattr__(ctx, name, 0)",
        "getattr(ssl, 'CERT_NONE')",
        "ctx.__dict__['check_hostname'] = 0",
        "session.verify = False",
        "session.verify = x",
        "requests.get(url, verify=False)",
        "requests.get(url, verify=0)",
        "requests.get(url, verify=x)",
        "requests.get(url, **{'verify': False})",
        "urllib3.PoolManager(cert_reqs='NONE')",
        "urllib3.PoolManager(assert_hostname=False)",
        "ssl._create_unverified_context()",
        "ssl._create_default_https_context = x",
        "urllib3.disable_warnings()",
        "context.set_ciphers('ALL:@SECLEVEL=0')",
        "context.keylog_filename = x",
        "with x as ctx.check_hostname: pass",
        "for ctx.check_hostname in (0,): pass",
        "del ctx.check_hostname",
    ],
)
def test_what_loosens_tls_is_found(code: str) -> None:
    assert list(loosened(code, SET_RIGHT))


def test_what_verifies_is_taken() -> None:
    for code in (
        "requests.get(url, verify=True)",
        "context.minimum_version = ssl.TLSVersion.TLSv1_2",
        "if context.verify_mode is ssl.CERT_REQUIRED: pass",
    ):
        assert list(loosened(code, SET_RIGHT)) == []
