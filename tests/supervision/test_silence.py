from actors.supervision.monitor import SilenceDetector


def data(silence: SilenceDetector, **data_at: float) -> None:
    for name, at in data_at.items():
        silence.reported(name, listens=True, data_at=at)


def test_the_exchange_is_silent_when_more_than_half_of_the_connections_are() -> None:
    silence = SilenceDetector(silence_s=60)
    data(silence, a=100.0, b=100.0, c=150.0, d=150.0)
    assert not silence.update(155.0)
    data(silence, c=101.0)
    assert not silence.update(154.0)
    assert silence.update(155.0)


def test_two_connections_are_too_few_to_conclude_anything() -> None:
    silence = SilenceDetector(silence_s=60)
    data(silence, a=100.0, b=100.0)
    assert not silence.update(1_000.0)


def test_silence_ends_when_data_comes() -> None:
    silence = SilenceDetector(silence_s=60)
    data(silence, a=100.0, b=100.0, c=100.0)
    assert silence.update(160.0)
    data(silence, a=161.0, b=161.0)
    assert not silence.update(162.0)


def test_those_that_are_away_or_listen_to_nothing_do_not_count() -> None:
    silence = SilenceDetector(silence_s=60)
    data(silence, a=100.0, b=100.0, c=100.0, d=100.0)
    silence.reported("c", listens=False, data_at=100.0)
    silence.ended("d")
    assert not silence.update(160.0)


def test_in_a_silence_a_trial_is_due_every_10_s_first_of_the_one_that_fell_silent_last() -> None:
    silence = SilenceDetector(silence_s=60)
    data(silence, a=100.0, b=99.0, c=100.0, d=101.0)
    trials = []
    for now in range(150, 170):
        silence.update(float(now))
        name = silence.trial(float(now))
        if name:
            trials.append((now, name))
            silence.tried(name)
    assert trials == [(154, "c"), (164, "d")]


def test_trials_go_round_among_those_that_are_silent() -> None:
    silence = SilenceDetector(silence_s=60)
    data(silence, a=100.0, b=101.0, c=102.0)
    names = []
    for now in range(160, 210):
        silence.update(float(now))
        name = silence.trial(float(now))
        if name:
            names.append(name)
            silence.tried(name)
    assert names == ["c", "b", "a", "c", "b"]


def test_nothing_is_replaced_while_the_exchange_sends_data() -> None:
    silence = SilenceDetector(silence_s=60)
    data(silence, a=100.0, b=100.0, c=159.0, d=159.0)
    silence.update(161.0)
    assert silence.trial(1_000.0) is None
