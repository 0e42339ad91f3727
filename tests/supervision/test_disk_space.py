"""When reading stops for want of room, and when it resumes."""

import pytest

from actors.supervision.admission import DiskSpace


class Volume:
    """A journal whose room a test decides; plenty is more than room."""

    def __init__(self) -> None:
        self.headroom_bytes = 100
        self.reserved = True
        self.rebuilds = True

    def room(self) -> bool:
        return self.headroom_bytes >= 10

    def plenty(self) -> bool:
        return self.headroom_bytes >= 50

    def free_reserve(self) -> None:
        self.reserved = False

    def rebuild_reserve(self) -> bool:
        self.reserved = self.rebuilds
        return self.rebuilds


def shut(headroom: DiskSpace) -> bool:
    headroom.look()
    return headroom.shut


def test_reading_goes_on_while_there_is_room() -> None:
    volume = Volume()
    headroom = DiskSpace(volume)
    for left in (100, 50, 10):
        volume.headroom_bytes = left
        assert not shut(headroom)
    assert volume.reserved


def test_without_room_reading_stops_and_the_reserve_is_freed_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    volume = Volume()
    headroom = DiskSpace(volume)
    volume.headroom_bytes = 9
    assert shut(headroom)
    assert shut(headroom)

    assert not volume.reserved
    assert [line.msg for line in caplog.records] == ["reading_stopped"]


def test_a_little_room_is_not_enough_to_resume() -> None:
    volume = Volume()
    headroom = DiskSpace(volume)
    volume.headroom_bytes = 9
    headroom.look()
    volume.headroom_bytes = 49
    assert shut(headroom)

    volume.headroom_bytes = 50
    assert not shut(headroom)
    assert volume.reserved


def test_reading_resumes_only_when_the_reserve_stands_again() -> None:
    volume = Volume()
    headroom = DiskSpace(volume)
    volume.headroom_bytes = 9
    headroom.look()
    volume.headroom_bytes, volume.rebuilds = 100, False
    assert shut(headroom)

    volume.rebuilds = True
    assert not shut(headroom)
