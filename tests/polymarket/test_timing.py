"""Requests are counted under the source that was asked, from any thread."""

import threading

import pytest

from actors.model.market import Source
from actors.polymarket.http import Call
from actors.polymarket.timing import RequestTimes

URLS = {
    Source.GAMMA: "https://gamma-api.example/",
    Source.CLOB: "http://127.0.0.1:8080/clob",
    Source.DATA: "http://127.0.0.1:8080/data",
}


def call(url: str, took_s: float = 0.2) -> Call:
    return Call(method="GET", url=url, sent_s=0.0, took_s=took_s)


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://gamma-api.example/markets?limit=1", "gamma"),
        ("http://127.0.0.1:8080/clob/books", "clob"),
        ("http://127.0.0.1:8080/data/v2/tokens", "data"),
        ("https://polygon.example/key", "chain"),
    ],
)
def test_a_request_counts_for_its_source(url: str, source: str) -> None:
    times = RequestTimes(URLS)
    times.add(call(url))
    found = times.histograms()
    assert {name: sum(each.counts) for name, each in found.items()} == {
        **dict.fromkeys(("gamma", "clob", "data", "chain"), 0),
        source: 1,
    }
    assert found[source].sum_s == 0.2


def test_no_request_of_several_threads_is_lost() -> None:
    times = RequestTimes(URLS)

    def many() -> None:
        for _ in range(2_000):
            times.add(call("https://gamma-api.example/"))

    threads = [threading.Thread(target=many) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(times.histograms()["gamma"].counts) == 8_000
