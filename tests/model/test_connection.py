import pytest

from actors.model.connection import lane_of


@pytest.mark.parametrize("connection", ["leg0-0003", "leg0-0003.1", "leg0-0003.27"])
def test_a_connection_names_its_lane(connection: str) -> None:
    assert lane_of(connection) == "leg0-0003"
