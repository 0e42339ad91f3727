"""`make pins` says of each pin that is behind what holds it."""

from pathlib import Path

from tests.architecture.pins import RENEW, behind, pinned, wishes

ROOT = Path(__file__).parents[2]


def test_each_kind_of_reason_is_told() -> None:
    pins = {"a": "1.0", "b": "1.0", "c": "1.0", "d": "2.0"}
    newest = {"a": "2.0", "b": "1.1", "c": "1.5"}
    wanted = wishes(
        [
            ("setup.cfg", "a>=1,<2"),
            ("x 3", "a>=1"),
            ("x 3", "b==1.0"),
            ("y 1", "c<1.2; extra == 'docs'"),
            ("y 1", "c<1.2; python_version < '3'"),
        ]
    )
    assert list(behind(pins, newest, wanted)) == [
        "a 1.0 -> 2.0: setup.cfg wants <2,>=1",
        "b 1.0 -> 1.1: x 3 wants ==1.0",
        f"c 1.0 -> 1.5: {RENEW}",
    ]


def test_both_lock_files_are_read_whole() -> None:
    for name in ("requirements.lock", "requirements-dataset.lock", "requirements-dev.lock"):
        lock = (ROOT / name).read_text()
        assert len(pinned(lock)) == lock.count("==") > 30
        assert "psycopg-binary" in pinned(lock)
