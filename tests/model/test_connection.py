import pytest

from actors.model.connection import slot_of


@pytest.mark.parametrize("connection", ["a-0003", "a-0003.1", "a-0003.27"])
def test_a_connection_names_its_slot(connection: str) -> None:
    assert slot_of(connection) == "a-0003"
