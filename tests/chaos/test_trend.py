"""A flat series is reported as flat, and a growing one is not."""

import xml.etree.ElementTree as ET

import pytest

from tests.chaos.trend import HEIGHT, TOP, drawn, fit


def test_a_leak_is_seen_through_noise() -> None:
    leak = [(float(at), 100 + at / 10 + (at % 7)) for at in range(300)]
    trend = fit(leak)
    assert trend.drift == pytest.approx(20, rel=0.1)
    assert not trend.flat(share=0.05, least=4)


def test_noise_and_a_warm_up_are_no_leak() -> None:
    calm = [(float(at), 100 + (at % 7)) for at in range(300)]
    warm = [(at, value - max(0.0, 90 - at)) for at, value in calm]
    for points in (calm, warm):
        assert fit(points).flat(share=0.02, least=0)
    assert fit(calm).most == 106


def test_what_shrinks_is_flat_enough() -> None:
    assert fit([(0.0, 9.0), (1.0, 8.0), (2.0, 7.0), (3.0, 6.0)]).flat(share=0, least=0)


def test_too_few_points_are_an_error() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit([(0.0, 1.0)])


def test_the_picture_is_valid_and_names_every_series() -> None:
    picture = drawn({"memory <MiB>": [(0.0, 1.0), (60.0, 2.0)]}, [(30.0, "drop & go")])
    root = ET.fromstring(picture)  # noqa: S314 - made here
    said = "".join(root.itertext())
    assert "memory <MiB>" in said
    assert "drop & go" in said


def test_no_line_leaves_its_panel() -> None:
    picture = drawn({"low": [(0.0, 4.0), (60.0, -9.0)], "other": [(0.0, 1.0), (60.0, 1.0)]}, [])
    low = picture.split("<polyline")[1].split('"')[1]
    assert [float(point.split(",")[1]) for point in low.split()] == [TOP, TOP + HEIGHT]
