"""A watermark that stands still although the journal grows."""

from actors.journal.watermark import StallDetector


def test_a_watermark_that_moves_is_no_stall() -> None:
    stall = StallDetector(5.0)

    assert not any(stall.noticed(float(now), watermark=now, next_seq=100) for now in range(1, 20))


def test_an_empty_journal_is_no_stall() -> None:
    stall = StallDetector(5.0)

    assert not any(stall.noticed(float(now), watermark=7, next_seq=7) for now in range(20))


def test_a_watermark_that_stands_still_before_a_record_is_noticed_after_5_s_and_again() -> None:
    stall = StallDetector(5.0)
    noticed = [now for now in range(16) if stall.noticed(float(now), watermark=7, next_seq=9)]

    assert noticed == [5, 10, 15]
