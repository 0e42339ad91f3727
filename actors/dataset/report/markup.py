"""Pieces of HTML: tables, figures, plots. What is passed as a cell is HTML already. Pure."""

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

MARK: Final = "<!doctype html>\n<!-- tracker-report -->\n"
"""How each report begins: only such a file is written over without being told so."""


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        kind: `n` numbers, `t` short texts, `text` long ones.
    """

    head: str
    kind: str = "t"


def columns(*said: str) -> tuple[Column, ...]:
    """Return columns; each is its head, and behind a bar its kind if that is not `t`."""
    parts = (each.partition("|") for each in said)
    return tuple(Column(head, kind or "t") for head, _, kind in parts)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], left: int = 0) -> str:
    """Return a table, with a line about rows that it does not show."""
    heads = "".join(f'<th scope="col" class="{each.kind}">{each.head}</th>' for each in columns)
    body = "".join(f"<tr>{_cells(columns, row)}</tr>\n" for row in rows)
    more = f'<p class="soft">and {left:,} more</p>' if left > 0 else ""
    return (
        f'<div class="table" tabindex="0"><table><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>{more}"
    )


def _cells(columns: Sequence[Column], row: Sequence[str]) -> str:
    return "".join(
        f'<td class="{column.kind}">'
        f"{f'<span>{cell}</span>' if column.kind == 'text' else cell}</td>"
        for column, cell in zip(columns, row, strict=True)
    )


def figures(each: Iterable[tuple[str, str, str]]) -> str:
    """Return headline figures: what, how much, and a note."""
    return '<dl class="figures">{}</dl>'.format(
        "".join(
            f'<div><dt>{what}</dt><dd>{value}</dd><dd class="note">{note}</dd></div>\n'
            for what, value, note in each
        )
    )


def legend(each: Iterable[tuple[str, str]]) -> str:
    """Return a legend: the class of a colour, and what it means."""
    parts = "".join(f'<li class="{kind}">{said}</li>' for kind, said in each)
    return f'<ul class="legend">{parts}</ul>'


def plot(svg: str) -> str:
    """Return a plot that can be moved sideways where there is little space."""
    return f'<div class="plot" tabindex="0">{svg}</div>'


def paragraph(*sentences: str) -> str:
    """Return a paragraph of small text."""
    return f'<p class="soft">{" ".join(filter(None, sentences))}</p>'


def section(title: str, *parts: str) -> str:
    """Return a part of the page."""
    return f"<section><h2>{title}</h2>\n{''.join(parts)}\n</section>\n"


def document(title: str, style: str, body: str) -> str:
    """Return the page. Nothing in it may be loaded from elsewhere, and no script may run.

    Args:
        title: As HTML.
        style: The only style sheet that a browser takes.
        body: As HTML.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none';"
        " form-action 'none'"
    )
    return (
        f'{MARK}<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f'<title>{title}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
