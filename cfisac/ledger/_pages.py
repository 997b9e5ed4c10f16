"""The ledger for a reader: what its HTML is made of, and the scoreboard."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from cfisac.ledger._rows import TITLES, VERDICTS, Row
from cfisac.ledger._style import COLOURS, STYLE


@dataclass(frozen=True)
class Rendered:
    """Something for a notebook to show: HTML for the reader, plain text for the comparison.

    Examples
    --------
    >>> from cfisac.ledger import Rendered
    >>> Rendered('<b>1</b>', '1').text
    '1'
    """

    html: str
    text: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}


def scoreboard(rows: Iterable[Row]) -> Rendered:
    """How many rows of each source have each verdict: bars, a table, and what the words mean.

    Examples
    --------
    >>> from cfisac import ledger
    >>> print(ledger.scoreboard(ledger.load()).text.splitlines()[0])
    Rows of the ledger by source and verdict
    """
    rows = tuple(rows)
    counts = {source: Counter(r.verdict for r in rows if r.source == source) for source in TITLES}
    columns = [*((TITLES[s], f"{s}.html", counts[s], s) for s in TITLES),
               ("All", "rows.html", Counter(row.verdict for row in rows), "")]  # fmt: skip
    head = '<th scope="col">Verdict</th>' + "".join(
        f'<th scope="col">{link(name, href)}</th>' for name, href, *_ in columns
    )
    body = [
        f'<tr><th scope="row">{pill(verdict)}<br><span class="ledger-meaning">{prose(meaning)}'
        f"</span></th>{''.join(_count(n[verdict], s, verdict) for *_, n, s in columns)}</tr>"
        for verdict, meaning in VERDICTS.items()
    ]
    totals = "".join(f"<td>{count.total()}</td>" for *_, count, _ in columns)
    body.append(f'<tr><th scope="row">rows in all</th>{totals}</tr>')
    caption = "Rows of the ledger by source and verdict"
    bars = "\n".join(_bar(name, n) for name, _, n, _ in columns)
    html = box(bars, caption, head, body, "ledger-counts")
    text = [caption, *(f"{name}: {_sentence(count)}" for name, _, count, _ in columns)]
    return Rendered(html, "\n".join([*text, *(f"{v}: {m}" for v, m in VERDICTS.items())]))


def box(above: str, caption: str, head: str, body: Iterable[str], kind: str) -> str:
    """A table in a box of its own, with what stands above it."""
    newline = "\n"
    return f"""{STYLE}<div class="ledger {kind}">
{above}
<div class="ledger-scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>
<caption>{escape(caption)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{newline.join(body)}
</tbody></table></div></div>"""


def prose(text: str) -> str:
    """HTML of a text: curly quotes and primes, norms on one line, indices for N_c and h^H."""
    text = re.sub(r'"([^"]*)"', r"“\1”", text)
    text = re.sub(r"(?<=\w)'(?=[a-z])", "’", text)
    text = re.sub(r"(?<=\w)'", "′", text)
    unbroken = r'<span style="white-space:nowrap">\1</span>'
    html = re.sub(r"((?:\|[^|\s]+\||‖[^‖\s]+‖)²?)", unbroken, escape(text))
    for mark, tag in (("_", "sub"), (r"\^", "sup")):  # not in names like fan_conf
        index = rf"(?<![a-z]{{2}}){mark}(−?[A-Za-zα-ω0-9]+(?:\.\d+)?)"
        html = re.sub(index, rf"<{tag}>\1</{tag}>", html)
    return html


def link(text: str, href: str) -> str:
    """A link, or the bare text where it leads nowhere."""
    return f'<a href="{escape(href)}">{escape(text)}</a>' if href else escape(text)


def pill(verdict: str) -> str:
    """A verdict on its colour."""
    return f'<span class="ledger-verdict ledger-{verdict.replace(" ", "-")}">{verdict}</span>'


def _count(number: int, source: str, verdict: str) -> str:
    """A cell of the scoreboard that leads to the rows it counts."""
    query = urlencode({"source": source, "verdict": verdict} if source else {"verdict": verdict})
    return f"<td>{link(str(number), f'rows.html?{query}' if number else '')}</td>"


def _sentence(count: Counter[str]) -> str:
    parts = [f"{count[verdict]} {verdict}" for verdict in VERDICTS]
    return f"{count.total()} rows: " + ", ".join(parts)


def _bar(name: str, count: Counter[str]) -> str:
    parts = "".join(
        f'<span style="flex:{count[verdict]};background:{COLOURS[verdict][4]}"'
        f' title="{count[verdict]} {verdict}"></span>'
        for verdict in VERDICTS
        if count[verdict]
    )
    label = escape(f"{name}: {_sentence(count)}")
    return (
        f'<div class="ledger-line"><span>{escape(name)}</span>'
        f'<div class="ledger-bar" role="img" aria-label="{label}">{parts}</div></div>'
    )
