from actors.supervision.monitor import SilenceDetector


def heard(hush: SilenceDetector, **data_at: float) -> None:
    for name, at in data_at.items():
        hush.reported(name, listens=True, data_at=at)


def test_the_exchange_is_silent_when_more_than_half_of_the_connections_are() -> None:
    hush = SilenceDetector(silence_s=60)
    heard(hush, a=100.0, b=100.0, c=150.0, d=150.0)
    assert not hush.judge(155.0)
    heard(hush, c=101.0)
    assert not hush.judge(154.0)
    assert hush.judge(155.0)


def test_two_connections_prove_nothing() -> None:
    hush = SilenceDetector(silence_s=60)
    heard(hush, a=100.0, b=100.0)
    assert not hush.judge(1_000.0)


def test_silence_ends_when_data_comes() -> None:
    hush = SilenceDetector(silence_s=60)
    heard(hush, a=100.0, b=100.0, c=100.0)
    assert hush.judge(160.0)
    heard(hush, a=161.0, b=161.0)
    assert not hush.judge(162.0)


def test_those_that_are_away_or_listen_to_nothing_do_not_count() -> None:
    hush = SilenceDetector(silence_s=60)
    heard(hush, a=100.0, b=100.0, c=100.0, d=100.0)
    hush.reported("c", listens=False, data_at=100.0)
    hush.ended("d")
    assert not hush.judge(160.0)


def test_in_a_silence_one_connection_is_replaced_every_30_s_the_longest_silent_first() -> None:
    hush = SilenceDetector(silence_s=60)
    heard(hush, a=100.0, b=99.0, c=100.0, d=100.0)
    probes = []
    for now in range(150, 230):
        hush.judge(float(now))
        name = hush.probe(float(now))
        if name:
            probes.append((now, name))
            hush.ended(name)
    assert probes == [(184, "b"), (214, "a")]


def test_nobody_is_replaced_while_the_exchange_talks() -> None:
    hush = SilenceDetector(silence_s=60)
    heard(hush, a=100.0, b=100.0, c=159.0, d=159.0)
    hush.judge(161.0)
    assert hush.probe(1_000.0) is None
