"""The ledger for a reader: HTML tables with links and filters, and the same as plain text."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from cfisac.ledger._faults import labels
from cfisac.ledger._rows import TITLES, VERDICTS, Row
from cfisac.ledger._style import COLOURS, COLUMNS, FILTER, STYLE


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
    columns = [*((TITLES[s], f"{s}.html", counts[s]) for s in TITLES),
               ("All", "", Counter(row.verdict for row in rows))]  # fmt: skip
    head = '<th scope="col">Verdict</th>' + "".join(
        f'<th scope="col">{_link(name, href)}</th>' for name, href, _ in columns
    )
    body = [
        f'<tr><th scope="row">{_pill(verdict)}<br><span class="ledger-meaning">{_prose(meaning)}'
        f"</span></th>{''.join(f'<td>{count[verdict]}</td>' for *_, count in columns)}</tr>"
        for verdict, meaning in VERDICTS.items()
    ]
    totals = "".join(f"<td>{count.total()}</td>" for *_, count in columns)
    body.append(f'<tr><th scope="row">rows in all</th>{totals}</tr>')
    caption = "Rows of the ledger by source and verdict"
    bars = "\n".join(_bar(name, n) for name, _, n in columns)
    html = _box(bars, caption, head, body, "ledger-counts")
    text = [caption, *(f"{name}: {_sentence(count)}" for name, _, count in columns)]
    return Rendered(html, "\n".join([*text, *(f"{v}: {m}" for v, m in VERDICTS.items())]))


def table(rows: Sequence[Row], caption: str, book: Path, named: bool) -> Rendered:
    """The rows as a table whose links lead into the chapters of ``book``."""
    present = [verdict for verdict in VERDICTS if any(row.verdict == verdict for row in rows)]
    present += ["our copy"] if any(row.copy for row in rows) else []
    options = "".join(f"<option>{verdict}</option>" for verdict in ["all", *present])
    columns = COLUMNS if any(row.read for row in rows) else COLUMNS[:-1]  # nothing judged yet
    wide = columns is COLUMNS
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    here = {row.id for row in rows}
    html = _box(
        f'<label>Show <select onchange="{FILTER}">{options}</select></label>',
        caption, head, (_html_row(row, book, named, wide, here) for row in rows), "ledger-rows",
    )  # fmt: skip
    return Rendered(html, "\n".join([caption, *(_text_row(row) for row in rows)]))


def _box(above: str, caption: str, head: str, body: Iterable[str], kind: str) -> str:
    newline = "\n"
    return f"""{STYLE}<div class="ledger {kind}">
{above}
<div class="ledger-scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>
<caption>{escape(caption)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{newline.join(body)}
</tbody></table></div></div>"""


def _text_row(row: Row) -> str:
    parts = [f"{row.id}  [{row.verdict}]  {row.what}"]
    parts += [f"    {key}: {value}" for key in ("note", "copy", "read", "check")
              if (value := getattr(row, key))]  # fmt: skip
    return "\n".join(parts)


def _html_row(row: Row, book: Path, named: bool, wide: bool, here: Set[str]) -> str:
    text = _linked(_prose(row.note), row, here)
    note = f'<br><span class="ledger-note">{text}</span>' if row.note else ""
    if row.copy:
        note += f'<span class="ledger-copy"><b>Our copy:</b> {_prose(row.copy)}</span>'
    name = f"{TITLES.get(row.source, row.source)} {row.name}" if named else row.name
    where = _link(row.read, _chapter_url(row, book)) if row.read else ""
    if row.check:
        breakable = re.sub(r"([/_:])(?=\w)", r"\1<wbr>", escape(row.check))
        where += f"{'<br>' if where else ''}<code>{breakable}</code>"
    return (
        f'<tr id="{row.id}" data-show="{row.verdict}{" our copy" * bool(row.copy)}">'
        f'<th scope="row">{name if named else name.replace(" ", "&nbsp;")}</th>'
        f"<td>{_prose(row.what)}{note}</td><td>{_pill(row.verdict)}</td>"
        + (f'<td class="ledger-where">{where}</td></tr>' if wide else "</tr>")
    )


def _prose(text: str) -> str:
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


def _linked(html: str, row: Row, here: Set[str]) -> str:
    """Let equation numbers lead to their rows on the same page, so that inherited faults show.

    A number belongs to the source named before it or before the list it stands in, or else to
    the row's own.
    """
    source, end = row.source, -1

    def link(match: re.Match[str]) -> str:
        nonlocal source, end
        in_list = html[end : match.start()] in (", ", " and ", ", and ", " to ", "–")
        source = match["source"] or (source if in_list else row.source)
        end = match.end()
        target = f"{source}-{match['number']}"
        known = target in here and target != row.id
        return f'<a href="#{target}">{match[0]}</a>' if known else match[0]

    return re.sub(rf"(?:\b(?P<source>{'|'.join(TITLES)}) )?\((?P<number>\d+)\)", link, html)


def _chapter_url(row: Row, book: Path) -> str:
    chapter = book / f"{row.read}.md"
    labelled = row.kind == "equation" and chapter.is_file()
    anchor = labels(chapter).get(row.id) if labelled else None
    return f"../{row.read}.html" + (f"#{anchor}" if anchor else "")


def _link(text: str, href: str) -> str:
    return f'<a href="{href}">{escape(text)}</a>' if href else escape(text)


def _pill(verdict: str) -> str:
    return f'<span class="ledger-verdict ledger-{verdict.replace(" ", "-")}">{verdict}</span>'


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
