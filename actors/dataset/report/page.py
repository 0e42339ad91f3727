"""The page of a report, from what was read. The same contents give the same bytes. Pure."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path as File
from typing import Final

from actors import __version__
from actors.dataset.report import coverage as spent
from actors.dataset.report import plots, sections, svg
from actors.dataset.report.markup import document, figures, legend, paragraph, plot, section
from actors.dataset.report.palette import CAUSES, cause_name
from actors.dataset.report.text import (
    count,
    counted,
    days,
    lasting,
    moment,
    share,
    short,
    told,
    usdc,
)
from actors.dataset.report.values import (
    DAY,
    MOST_BINS,
    MOST_MARKETS,
    Contents,
    Market,
    Stretch,
)

STYLE: Final = File(__file__).with_name("page.css").read_text(encoding="utf-8")


def render(contents: Contents) -> str:
    """Return the report as one HTML file."""
    with svg.plain():
        return _Page(contents).written()


def title_of(contents: Contents) -> str:
    """Return what the report is about, as HTML."""
    return told(contents.market.name.question, 300) if contents.market else days(contents.span)


class _Page:
    """One page, while it is made."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._span = contents.span
        self._width = contents.span.width(MOST_BINS)
        self._bins = contents.span.bins(self._width)
        self._stretches = contents.coverage.stretches
        self._time = spent.total(self._stretches)
        self._times = spent.by_market(self._stretches)

    def written(self) -> str:
        contents = self._contents
        title = title_of(contents)
        market = contents.market
        about = "" if market is None else f" · {days(self._span)}"
        head = (
            f"<header><p>Polymarket tracker · report{about}</p><p>all times are UTC</p></header>\n"
            f"<main>\n<h1>{title}</h1>\n"
        )
        parts = list(self._of_market(market) if market else self._of_span())
        foot = (
            f"</main>\n<footer><p>Made by tracker-report {__version__} from the database alone."
            " What relations, causes and states mean: <code>docs/reference/data.md</code>.</p>"
            "</footer>\n"
        )
        return document(f"{title} · tracker", STYLE, head + "".join(parts) + foot)

    # ---------------------------------------------------------------------- a day

    def _of_span(self) -> Iterator[str]:
        contents = self._contents
        yield self._not_over()
        yield figures(self._figures())
        yield section(f"Trades {self._each()}", *self._trades())
        yield section(f"Coverage, market by {self._unit()}", *self._heat_map())
        yield section("Gaps", *sections.gaps(contents, self._time))
        yield section("Prices of the most traded markets", *self._prices())
        yield section("Labels", *sections.labels(contents))
        yield section("Contradictions", *sections.conflicts(contents))
        yield section("Rejected messages and drift", *sections.rejected(contents))
        yield section("Connections", *sections.connections(contents))

    def _not_over(self) -> str:
        until = self._contents.known_until
        return "" if until is None else paragraph(f"Not over yet: known until {moment(until)}.")

    def _figures(self) -> Iterator[tuple[str, str, str]]:
        contents, trades = self._contents, self._contents.trades
        yield "Trades", count(trades.total), f"of {counted(trades.market_count, 'market')}"
        yield "Traded, USDC", usdc(trades.usdc), "price times size, summed"
        yield self._covered()
        yield self._complete()
        lost = spent.outages(self._stretches)
        yield (
            "Missed",
            lasting(self._time.lost) if lost else "nothing",
            ("summed over all tokens" if lost else "of what was wanted"),
        )
        median = contents.labels.late_s
        note = f"median {lasting(median[0])} after the resolution" if median else "in this time"
        yield "Labels recorded", count(contents.labels.total), note
        waiting = sum(each.number for each in contents.waiting)
        yield "Labels missing", count(waiting), "markets that should have one, as of now"
        open_ones = sum(each.cleared_at is None for each in contents.conflicts)
        yield "Contradictions open", count(open_ones), "between sources, as of now"
        doubtful = sum(each.messages - each.taken_in for each in contents.rejected if each.doubtful)
        others = sum(each.messages for each in contents.rejected if not each.doubtful)
        yield (
            "Perhaps trades, rejected",
            count(doubtful),
            f"and {counted(others, 'sample')} of drift",
        )

    def _covered(self) -> tuple[str, str, str]:
        value = share(self._time.covered, self._time.wanted)
        kind = "bad" if self._time.lost else "good" if self._time.wanted else ""
        of = counted(self._contents.coverage.markets, "market")
        return "Covered", f'<span class="{kind}">{value}</span>', f"of the wanted time of {of}"

    def _complete(self) -> tuple[str, str, str]:
        days = self._contents.coverage.days
        if not days or not days.number:
            return "Complete", "unknown", "no day of it is computed yet"
        rest = f", of which {count(days.changed)} are computed again" if days.changed else ""
        kind = "good" if days.complete == days.number else "bad"
        value = f'<span class="{kind}">{share(days.complete, days.number)}</span>'
        # Of several days some may not be computed yet, of one day nothing would be here then.
        one, many = "market", "markets"
        if self._span.lasts > DAY:
            one, many = "market day that is computed", "market days that are computed"
        return "Complete", value, f"of {counted(days.number, one, many)}{rest}"

    def _each(self) -> str:
        names = {timedelta(hours=1): "an hour", DAY: "a day", 7 * DAY: "a week"}
        return names.get(self._width, f"in {lasting(self._width.total_seconds())}")

    def _unit(self) -> str:
        names = {timedelta(hours=1): "hour", DAY: "day", 7 * DAY: "week"}
        return names.get(self._width, lasting(self._width.total_seconds()))

    def _trades(self) -> Iterator[str]:
        contents = self._contents
        whole = [spent.Time() for _ in self._bins]
        names = sorted(self._times)
        rows = spent.cells(self._stretches, names, self._bins, self._width)
        for row in rows:
            for found, one in zip(whole, row, strict=True):
                found.covered += one.covered
                for cause, lost in one.missed.items():
                    found.add(cause, lost)
        busiest = max(contents.trades.bins, key=lambda each: each.trades, default=None)
        said = "" if busiest is None else (
            f"Most between {busiest.at:%H:%M} and {busiest.at + self._width:%H:%M}"
            f"{'' if self._span.lasts <= DAY else f' on {busiest.at:%Y-%m-%d}'}:"
            f" {counted(busiest.trades, 'trade')}."
        )  # fmt: skip
        label = f"Bars of trades {self._each()} over {days(self._span)}. {said}"
        yield paragraph(
            said, "Below the bars: the coverage of that time; its colours are explained below."
        )
        yield plot(plots.trades(contents.trades.bins, self._span, self._width, whole, label))

    def _legend(self) -> Iterator[tuple[str, str]]:
        yield "covered", "covered"
        yield "unwanted", "not wanted, or not known yet"
        missed = self._time.missed
        for cause in (*CAUSES, *sorted(set(missed) - set(CAUSES))):
            if cause in missed:
                yield cause_name(cause), told(cause, 40)

    def _heat_map(self) -> Iterator[str]:
        contents = self._contents
        traded = {each.condition_id: each for each in contents.trades.markets}
        names = spent.shown(contents.trades.markets, self._times, MOST_MARKETS)
        if not names:
            yield paragraph("No market was wanted in this time.")
            return
        grid = spent.cells(self._stretches, names, self._bins, self._width)
        rows = [
            plots.Row(
                name=short(self._question(name), 43),
                figures=(
                    count(traded[name].trades) if name in traded else "0",
                    usdc(traded[name].usdc) if name in traded else "0",
                    share(self._times[name].covered, self._times[name].wanted),
                ),
                cells=cells,
            )
            for name, cells in zip(names, grid, strict=True)
        ]
        bad = sum(time.lost > 0 for time in self._times.values())
        yield paragraph(
            f"{len(names)} of {counted(len(self._times), 'market')}: those with the largest part"
            " missed, and the most traded ones, the most traded first."
            f" {counted(bad, 'market has', 'markets have')} gaps.",
            "What was missed fills a cell from below, by its cause; however short it was, a sixth.",
        )
        yield legend(self._legend())
        label = f"Coverage of {counted(len(names), 'market')}, by {self._unit()}"
        yield plot(
            plots.heat_map(rows, ("trades", "USDC", "covered"), self._span, self._width, label)
        )

    def _prices(self) -> Iterator[str]:
        paths = [each for each in self._contents.paths if any(c.close for c in each.candles)]
        if not paths:
            yield paragraph("No trades, so no prices.")
            return
        yield paragraph(
            "USDC a share." if self._contents.market else "USDC a share, of the busiest token.",
            "The line is the last price, the band reaches from the lowest to the highest; time that"
            " was missed is shaded by its cause.",
        )
        panels = [
            plots.Panel(
                title=short(self._titled(each.condition_id, each.outcome), 62),
                candles=each.candles,
                gaps=self._gaps_of(each.token_id),
            )
            for each in paths
        ]
        label = f"Prices of {counted(len(panels), 'token')} over {days(self._span)}"
        columns = 1 if self._contents.market else 2
        yield plot(plots.prices(panels, self._span, label, columns=columns))

    def _gaps_of(self, token_id: str) -> list[Stretch]:
        return [each for each in self._stretches if each.cause and each.token_id == token_id]

    def _question(self, condition_id: str) -> str:
        name = self._contents.names.get(condition_id)
        return name.question if name else condition_id

    def _titled(self, condition_id: str, outcome: str | None) -> str:
        if self._contents.market:
            return outcome or "not named"
        return f"{short(outcome or '?', 16)} · {self._question(condition_id)}"

    # ------------------------------------------------------------------- a market

    def _of_market(self, market: Market) -> Iterator[str]:
        contents = self._contents
        yield from map(paragraph, sections.about(market))
        yield self._not_over()
        yield figures(self._market_figures(market))
        yield section("Price", *self._prices())
        yield section(f"Trades {self._each()}", *self._trades())
        yield section(f"Coverage, outcome by {self._unit()}", *self._tokens(market))
        yield section("Gaps", *sections.gaps(contents, self._time))
        yield section("Label and evidence", *sections.evidence(contents, market))
        yield section("Contradictions", *sections.conflicts(contents))
        yield section("Rejected messages of its tokens", *sections.rejected(contents))

    def _market_figures(self, market: Market) -> Iterator[tuple[str, str, str]]:
        contents, found = self._contents, market.resolution
        yield "Trades", count(contents.trades.total), "of both outcomes"
        yield "Traded, USDC", usdc(contents.trades.usdc), "price times size, summed"
        yield "Covered", self._covered()[1], "of the wanted time"
        if found:
            late = lasting((found.recorded_at - found.resolved_at).total_seconds())
            winner = "split" if found.kind == "split" else told(found.winner, 24)
            yield "Label", winner, f"recorded {late} after the resolution"
        else:
            states = ", ".join(told(each.state, 24) for each in contents.waiting)
            yield "Label", "none", states or ("closed" if market.closed else "it goes on")

    def _tokens(self, market: Market) -> Iterator[str]:
        tokens = [each.token_id for each in market.tokens]
        grid = spent.cells(_by_token(self._stretches), tokens, self._bins, self._width)
        rows = []
        for token, cells in zip(market.tokens, grid, strict=True):
            time = spent.total(each for each in self._stretches if each.token_id == token.token_id)
            covered = share(time.covered, time.wanted)
            missed = lasting(time.lost) if time.lost else "0 s"
            rows.append(
                plots.Row(short(token.outcome or token.token_id, 46), (missed, covered), cells)
            )
        yield legend(self._legend())
        label = f"Coverage of each outcome, by {self._unit()}"
        yield plot(plots.heat_map(rows, ("missed", "covered"), self._span, self._width, label))


def _by_token(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return stretches that are found by their token alone."""
    return [each._replace(condition_id="") for each in stretches]
