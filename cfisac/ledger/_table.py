"""The rows of the ledger as a table: formulas, reasons, links, and filters above them."""

import re
from collections.abc import Sequence, Set
from html import escape
from pathlib import Path
from typing import NamedTuple

from cfisac.ledger._faults import labels
from cfisac.ledger._formulas import Formula, shown, title
from cfisac.ledger._pages import Rendered, box, link, pill, prose
from cfisac.ledger._rows import TITLES, VERDICTS, Row
from cfisac.ledger._script import SCRIPT

COLUMNS = ("Where", "What it says", "Verdict", "Read and check")
PARTS = ("foundations", "limits", "estimators", "designs")
COPY = "our copy"
# A sentence ends before a capital letter, and not after what is shortened; not a very short one.
_FIRST = re.compile(r".{40,}?(?<!Fig)(?<!Eq)(?<!Sec)(?<!al)(?<!vs)[.!?](?=\s+[A-Z“\"])", re.DOTALL)
_SHORT = 90  # characters: a note that is not longer needs no first sentence
# Drawn once on a page, and used in every row that has a test.
_DRAWN = (
    '<svg width="0" height="0" class="ledger-drawn" aria-hidden="true"><symbol id="ledger-flask"'
    ' viewBox="0 0 16 16"><path d="M6 1.5h4M6.8 1.5v4.2L2.6 13a1 1 0 0 0 .9 1.5h9a1 1 0 0 0 .9-1.5'
    'L9.2 5.7V1.5M4.6 10h6.8"/></symbol></svg>'
)
_FLASK = '<svg width="15" height="15" aria-hidden="true"><use href="#ledger-flask"/></svg>'


class _Page(NamedTuple):
    """What all rows of a page share: the book, whether names carry the source, the ids."""

    book: Path
    named: bool
    here: Set[str]


def table(rows: Sequence[Row], caption: str, book: Path, named: bool) -> Rendered:
    """The rows as a table whose links lead into the chapters of ``book``."""
    columns = COLUMNS if any(row.read for row in rows) else COLUMNS[:-1]  # nothing judged yet
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    page = _Page(book, named, {row.id for row in rows})
    body = (_html_row(row, page, columns is COLUMNS) for row in rows)
    html = box(_filters(rows, book), caption, head, body, "ledger-rows") + SCRIPT
    return Rendered(html, "\n".join([caption, *(_text_row(row) for row in rows)]))


def _text_row(row: Row) -> str:
    parts = [f"{row.id}  [{row.verdict}]  {row.what}"]
    parts += [f"    {key}: {value}" for key in ("note", "copy", "repaired", "read", "check")
              if (value := getattr(row, key))]  # fmt: skip
    return "\n".join(parts)


# --------------------------------------------------------------------------------------- filters


def _filters(rows: Sequence[Row], book: Path) -> str:
    """Fields above the table; hidden until the script has made them work."""
    sources = [source for source in TITLES if any(row.source == source for row in rows)]
    verdicts = [verdict for verdict in VERDICTS if any(row.verdict == verdict for row in rows)]
    verdicts += [COPY] if any(row.copy for row in rows) else []
    example = rows[0].id.replace("-", " ") if rows else ""
    fields = [
        f'<label class="ledger-find">Find<input type="search" name="text" autocomplete="off"'
        f' placeholder="{escape(example)}, or a word"></label>'
    ]
    if len(sources) > 1:
        choices = "".join(_option(TITLES[source], source) for source in sources)
        fields.append(_select("Source", "source", choices))
    fields.append(_select("Verdict", "verdict", "".join(_option(v, v) for v in verdicts)))
    groups = [_chapters(rows, part, book) for part in PARTS]
    fields.append(_select("Chapter", "chapter", "".join(groups)))
    return (
        '<form class="ledger-filter" role="search" aria-label="Filter the rows" hidden>'
        f'{"".join(fields)}<button type="reset">Show all</button>'
        f'<span class="ledger-number" role="status"></span></form>{_DRAWN}'
    )


def _chapters(rows: Sequence[Row], part: str, book: Path) -> str:
    names = sorted({row.read for row in rows if row.read.startswith(f"{part}/")})
    choices = "".join(_option(title(book / f"{name}.md"), name) for name in names)
    return f'<optgroup label="{part.capitalize()}">{choices}</optgroup>' if names else ""


def _select(label: str, name: str, choices: str) -> str:
    choices = f'<option value="">all</option>{choices}'
    return f'<label>{label}<select name="{name}">{choices}</select></label>'


def _option(text: str, value: str) -> str:
    same = text == value
    return (
        f"<option>{text}</option>" if same else f'<option value="{value}">{escape(text)}</option>'
    )


# ------------------------------------------------------------------------------------------ rows


def _html_row(row: Row, page: _Page, wide: bool) -> str:
    name = f"{TITLES.get(row.source, row.source)} {row.name}" if page.named else row.name
    name = name if page.named else name.replace(" ", "&nbsp;")
    marks = {"source": row.source, "verdict": row.verdict, "chapter": row.read}
    marks["show"] = row.verdict + f" {COPY}" * bool(row.copy)
    data = "".join(f' data-{key}="{value}"' for key, value in marks.items())
    where = f'<td class="ledger-where">{_where(row, page.book)}</td>' if wide else ""
    return (
        f'<tr id="{row.id}"{data}><th scope="row"><a href="#{row.id}">{name}</a></th>'
        f"<td>{prose(row.what)}{_formulas(row, page)}{_reason(row, page)}</td>"
        f"<td>{pill(row.verdict)}</td>{where}</tr>"
    )


def _formulas(row: Row, page: _Page) -> str:
    """The printed formula as the chapter displays it, beside it the right one."""
    printed, repaired = shown(row, page.book)
    captions = ["", "what holds" if row.verdict == "refuted" else "repaired"]
    if printed and printed.label != row.id:
        captions[0] = f"shown as {printed.label.replace('-', ' (')})"
    elif row.verdict == "reconstructed":
        captions[0] = "our reconstruction"
    elif repaired:
        captions[0] = "as printed"
    found = [
        _formula(each, caption)
        for each, caption in zip((printed, repaired), captions, strict=True)
        if each
    ]
    return f'<div class="ledger-formulas">{"".join(found)}</div>' if found else ""


def _formula(formula: Formula, caption: str) -> str:
    """LaTeX that the script sets when it comes into view; where no script runs it stays code."""
    name = f'<div class="ledger-caption">{caption}</div>' if caption else ""
    return f'<div class="ledger-formula">{name}<code>{escape(formula.tex)}</code></div>'


def _reason(row: Row, page: _Page) -> str:
    """The first sentence of the note and our copy; the rest and the test open below them."""
    first = _FIRST.match(row.note) if len(row.note) > _SHORT else None
    start = first[0] if first else row.note
    rest = row.note[len(start) :].strip()
    start, rest = (_linked(prose(text), row, page.here) for text in (start, rest))
    note = f'<div class="ledger-note">{start}</div>' if row.note else ""
    if row.copy:
        note += f'<div class="ledger-copy"><b>Our copy:</b> {prose(row.copy)}</div>'
    more = f'<p class="ledger-note">{rest}</p>' if rest else ""
    if row.check:
        breakable = re.sub(r"([/_:])(?=\w)", r"\1<wbr>", escape(row.check))
        more += f'<p class="ledger-test">{_FLASK} Test: <code>{breakable}</code></p>'
    summary = " and ".join(["More of the reason"] * bool(rest) + ["test"] * bool(row.check))
    summary = summary[:1].upper() + summary[1:]
    return note + (f"<details><summary>{summary}</summary>{more}</details>" if more else "")


def _where(row: Row, book: Path) -> str:
    """The chapter by its title, at the equation, and a flask for the test."""
    where = link(title(book / f"{row.read}.md"), _chapter_url(row, book)) if row.read else ""
    if row.check:  # stays on the line of the last word
        name = escape(row.check)
        where += (
            '<span class="ledger-flask">&nbsp;<span role="img" aria-label="has a test"'
            f' title="{name}">{_FLASK}</span></span>'
        )
    return where


def _chapter_url(row: Row, book: Path) -> str:
    chapter = book / f"{row.read}.md"
    labelled = row.kind == "equation" and chapter.is_file()
    anchor = labels(chapter).get(row.id) if labelled else None
    return f"../{row.read}.html" + (f"#{anchor}" if anchor else "")


def _linked(html: str, row: Row, here: Set[str]) -> str:
    """Let equation numbers lead to their rows on the same page, so that inherited faults show.

    A number belongs to the source named before it or before the list it stands in, or else to
    the row's own.
    """
    source, end = row.source, -1

    def to_row(match: re.Match[str]) -> str:
        nonlocal source, end
        in_list = html[end : match.start()] in (", ", " and ", ", and ", " to ", "–")
        source = match["source"] or (source if in_list else row.source)
        end = match.end()
        target = f"{source}-{match['number']}"
        known = target in here and target != row.id
        return f'<a href="#{target}">{match[0]}</a>' if known else match[0]

    return re.sub(rf"(?:\b(?P<source>{'|'.join(TITLES)}) )?\((?P<number>\d+)\)", to_row, html)
