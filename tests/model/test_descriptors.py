import pytest

from actors.model.connection import DescriptorLimit


@pytest.mark.parametrize(
    ("limit", "connections"), [(64, 32), (256, 128), (320, 160), (1024, 864), (16_384, 16_224)]
)
def test_of_the_descriptors_160_are_kept_of_very_few_half(limit: int, connections: int) -> None:
    assert DescriptorLimit(limit).connections == connections


def test_what_is_needed_leaves_the_reserve_and_space_for_successors() -> None:
    needed = DescriptorLimit(1024).needed(4_400)
    assert needed == 4_568
    assert DescriptorLimit(needed).connections == 4_408


@pytest.mark.parametrize(("limit", "slots"), [(1024, 855), (64, 23), (4, 1)])
def test_the_plan_has_no_more_connections_than_can_be_open_beside_the_others(
    limit: int, slots: int
) -> None:
    assert DescriptorLimit(limit).slots == slots
