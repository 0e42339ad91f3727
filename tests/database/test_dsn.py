"""An address is used completely and shown in part; nothing of a malformed one is shown."""

import pytest

from actors.database.session import check_dsn
from actors.errors import ConfigError

SECRET = "s3cretWORD"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (f"postgresql://ann:{SECRET}@db.example:5433/trades", "ann@db.example:5433/trades"),
        (f"postgres://ann:{SECRET}%40%2F%3A@[::1]:5432/trades", "ann@::1:5432/trades"),
        (f"host=db user=ann password='{SECRET} x' dbname=trades", "ann@db/trades"),
        ("host=/run/postgresql dbname=trades", "/run/postgresql/trades"),
        ("postgresql:///trades", "local socket/trades"),
        (f"postgresql://ann:{SECRET}@a:1,b:2/t?target_session_attrs=any", "ann@a,b:1,2/t"),
        (f"postgresql://h/t?user=ann&password={SECRET}&sslpassword={SECRET}", "ann@h/t"),
        (f"  postgresql://ann:{SECRET}@h/t\n", "ann@h/t"),
    ],
)
def test_a_valid_address_is_shown_without_its_secrets(given: str, shown: str) -> None:
    checked = check_dsn(given)
    assert checked.shown == shown
    assert checked.dsn == given.strip()
    assert SECRET not in repr(checked) + str(checked)


@pytest.mark.parametrize(
    "given",
    [
        "",
        " \n",
        SECRET,
        f"postgresql://ann:x@{SECRET}@h/t",
        f"postgresql://ann:{SECRET}%zz@h/t",
        f"postgresql://ann:x/{SECRET}@h/t",
        f"postgresql://ann:1/{SECRET}@h/t",
        f"postgresql://ann:1/{SECRET}?@h/t",
        f"postgresql://ann:x:{SECRET}@h:{SECRET}/t",
        f"postgresql://ann:x@[{SECRET}/t",
        f"postgresql://{SECRET}:x:y@h/t?nonsense={SECRET}",
        f"mysql://ann:{SECRET}@h/t",
        f"host=h password=x {SECRET}",
        f"host=h password=x {SECRET}=1",
        f"host=h password='{SECRET}",
        f"host='{SECRET} x' user=ann",
        f"host=h port={SECRET}",
        f"host=h user='x:{SECRET}'",
        f"postgresql://ann:\x00{SECRET}@h/t",
        f"postgresql://ann:\ud800{SECRET}@h/t",
    ],
)
def test_nothing_of_a_malformed_address_is_shown(given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_dsn(given)
    message = str(caught.value)
    assert SECRET not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "database" in message
