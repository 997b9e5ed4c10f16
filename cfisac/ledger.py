"""The ledger: one row for each equation, figure, table, algorithm and claim of the five sources.

``book/ledger/<source>.yml`` says for every row what the source states, what we found (the
verdict), which chapter shows it and which test checks it. This module reads those files,
lists what is wrong with them, and renders them for the book.

A row's id is ``<source>-<number>`` for an equation and ``<source>-<kind><number>`` for the
rest: ``zhang-41``, ``zhang-fig2``, ``liu-algorithm3``.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

from cfisac import _book

FOLDER = _book.FOLDER / "ledger"

VERDICTS = {
    "definition": "introduces a symbol or a model; there is nothing to prove",
    "proved": "derived symbolically, step by step, with SymPy",
    "verified": "agrees with a brute-force computation to rounding or to sampling error",
    "conditional": "holds only under a condition that the source does not state, such as the "
    "repair of a row it builds on",
    "corrected": "wrong as printed; the book shows a counterexample and the repaired form",
    "refuted": "does not hold; the book computes a counterexample",
    "reconstructed": "missing from the text we worked from; the form shown is our own derivation",
    "not reproduced": "tried with the source's parameters, or ours, and something else came out",
    "open": "not judged yet",
}
NEEDS_NOTE = ("conditional", "corrected", "refuted", "not reproduced")
ERRATA = ("refuted", "corrected", "conditional")

TITLES = {
    "zhang": "Zhang and Pang",
    "fan_conf": "Fan et al., conference",
    "fan_journal": "Fan et al., journal",
    "liu": "Liu et al.",
    "commit": "CommIT web book",
}
# How many rows of each kind a source must have; equations have the empty kind.
REQUIRED = {
    "zhang": {"": 80, "theorem": 2, "claim": 3, "fig": 5, "headline": 9},
    "fan_conf": {
        "": 33, "proposition": 1, "lemma": 1, "algorithm": 1, "table": 1, "fig": 4, "headline": 10,
    },
    "fan_journal": {
        "": 64, "lemma": 2, "theorem": 1, "corollary": 1, "remark": 2, "algorithm": 3,
        "table": 5, "fig": 9, "headline": 13,
    },
    "liu": {
        "": 60, "lemma": 1, "theorem": 2, "algorithm": 3, "table": 1, "fig": 10, "headline": 10,
    },
    "commit": {
        "": 35, "theorem": 1, "example": 1, "fig": 1, "table": 1, "headline": 6,
    },
}  # fmt: skip
KIND_NAMES = {"": "equation", "fig": "figure"}

_KEYS = {"id", "what", "verdict", "note", "copy", "read", "check"}
_LABEL = re.compile(
    r"^\s*:label:\s*(?P<math>[\w-]+)\s*$"
    r"|\$\$\s*\((?P<dollar>[\w-]+)\)\s*$"
    r"|^\s*\((?P<target>[\w-]+)\)=\s*$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Row:
    """One row of the ledger; an empty ``note``, ``copy``, ``read`` or ``check`` means none.

    ``copy`` says what the conversion of the source to text may have lost or changed, where the
    verdict, or a part of the note, would be another if it had.
    """

    source: str
    id: str
    what: str
    verdict: str
    note: str = ""
    copy: str = ""
    read: str = ""
    check: str = ""

    @property
    def local_id(self) -> str:
        """The id without the source, ``41`` or ``fig2``."""
        return self.id.removeprefix(f"{self.source}-")

    @property
    def kind(self) -> str:
        """equation, figure, table, algorithm, theorem, ...; what the id says."""
        prefix = self.local_id.rstrip("0123456789")
        return KIND_NAMES.get(prefix, prefix)

    @property
    def name(self) -> str:
        """As a reader would say it, ``(41)`` or ``Figure 2``."""
        number = self.local_id[len(self.local_id.rstrip("0123456789")) :]
        return f"({number})" if self.kind == "equation" else f"{self.kind.capitalize()} {number}"


def load(folder: Path | str | None = None) -> tuple[Row, ...]:
    """Read every ``<source>.yml`` of a ledger, in the order of ``TITLES`` and of the files.

    Parameters
    ----------
    folder : path, optional
        The ledger; by default ``book/ledger`` of the checkout that this package lies in, or the
        one that was installed with it.

    Raises
    ------
    ValueError
        If the folder or one of the files is absent, or an entry is not a mapping of the
        known keys to text; all such entries are named.
    """
    folder = FOLDER if folder is None else Path(folder)
    rows, wrong = [], []
    for source in TITLES:
        path = folder / f"{source}.yml"
        if not path.is_file():
            raise ValueError(f"folder must hold the ledger of every source; {path} is not there")
        for position, entry in enumerate(_read(path), 1):
            fault = _entry_fault(entry)
            if fault:
                name = entry.get("id", f"entry {position}") if isinstance(entry, dict) else position
                wrong.append(f"{path.name}: {name}: {fault}")
            else:
                rows.append(Row(source=source, **entry))
    if wrong:
        raise ValueError("\n".join(wrong))
    return tuple(rows)


def _read(path: Path) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where it exists
    try:
        return yaml.load(path.read_text("utf-8"), loader) or []
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name}: is not YAML: {error}") from error


def _entry_fault(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "is not a mapping"
    unknown = sorted(str(key) for key in entry.keys() - _KEYS)
    if unknown:
        return f"unknown key {', '.join(unknown)}; allowed: {', '.join(sorted(_KEYS))}"
    missing = sorted({"id", "what", "verdict"} - entry.keys())
    if missing:
        return f"has no {', '.join(missing)}"
    empty = sorted(key for key, value in entry.items() if not isinstance(value, str) or not value)
    return f"{', '.join(empty)} must be non-empty text" if empty else ""


def problems(rows: Iterable[Row], root: Path | str | None = None) -> list[str]:
    """What is wrong with a ledger, one line each; an empty list means that it is complete.

    Every required number is there once, every verdict is a known word, every judged row names
    a chapter of the book that bears its label and (definitions apart) a test that exists,
    every verdict that asks for an explanation has one, and every label of a source that a
    chapter bears has a row that has been judged.

    Parameters
    ----------
    rows : iterable of Row
    root : path, optional
        The checkout with ``book/`` and ``tests/``; by default the one this package lies in.

    Raises
    ------
    ValueError
        If ``root`` is not given and the package was installed without a checkout.
    """
    rows, root = tuple(rows), _book.checkout() if root is None else Path(root)
    found = _numbering(rows)
    for row in rows:
        found += [f"{row.source}.yml: {row.id}: {fault}" for fault in _row_faults(row, root)]
    return found + _label_faults(rows, root / "book")


def _numbering(rows: Sequence[Row]) -> list[str]:
    required = {
        f"{source}-{kind}{number}": source
        for source, kinds in REQUIRED.items()
        for kind, count in kinds.items()
        for number in range(1, count + 1)
    }
    have = Counter(row.id for row in rows)
    return (
        [f"{source}.yml: {id_}: is missing" for id_, source in required.items() if not have[id_]]
        + [f"{row.source}.yml: {row.id}: is not a row of this source" for row in rows
           if required.get(row.id) != row.source]
        + [f"{required.get(id_, '?')}.yml: {id_}: appears {n} times"
           for id_, n in have.items() if n > 1]
    )  # fmt: skip


def _row_faults(row: Row, root: Path) -> list[str]:
    faults = []
    if row.verdict not in VERDICTS:
        faults.append(f"verdict {row.verdict!r} is unknown; allowed: {', '.join(VERDICTS)}")
    if row.verdict in NEEDS_NOTE and not row.note:
        faults.append(f"verdict {row.verdict!r} needs a note")
    judged = row.verdict != "open"
    chapter = root / "book" / f"{row.read}.md"
    if judged and not row.read:
        faults.append(f"verdict {row.verdict!r} needs a chapter in `read`")
    elif row.read and not chapter.is_file():
        faults.append(f"chapter book/{row.read}.md is not there")
    elif judged and row.kind == "equation" and row.id not in _labels(chapter):
        faults.append(f"label {row.id} does not occur in book/{row.read}.md")
    if judged and row.verdict != "definition" and not row.check:
        faults.append(f"verdict {row.verdict!r} needs a test in `check`")
    elif row.check:
        faults += _test_fault(row.check, root)
    return faults


def _test_fault(check: str, root: Path) -> list[str]:
    file, _, inside = check.partition("::")
    name = inside.split("[")[0]  # of a parametrised test
    path = root / file
    if not path.is_file():
        return [f"test file {file} is not there"]
    if name not in _tests(ast.parse(path.read_text("utf-8")).body):
        return [f"test {name or '(none named)'} is not in {file}"]
    return []


def _tests(body: Sequence[ast.stmt]) -> set[str]:
    """Names of the tests that pytest would collect, ``Class::test`` for one in a class."""
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    inside = {f"{node.name}::{name}" for node in classes for name in _tests(node.body)}
    return {name for name in functions if name.startswith("test")} | inside


def _labels(chapter: Path) -> dict[str, str]:
    """Labels of a chapter and the HTML anchors that Sphinx gives them."""
    anchors = {}
    for match in _LABEL.finditer(chapter.read_text("utf-8")):
        label = match["math"] or match["dollar"] or match["target"]
        anchor = label.replace("_", "-").lower()
        anchors[label] = anchor if match["target"] else f"equation-{anchor}"
    return anchors


def _label_faults(rows: Sequence[Row], book: Path) -> list[str]:
    """Labels of a source that have no row, or whose row has not been judged."""
    verdicts, ours = {row.id: row.verdict for row in rows}, tuple(f"{s}-" for s in TITLES)
    faults = []
    for chapter in sorted(book.rglob("*.md")):
        if "_build" in chapter.parts:
            continue
        for label in filter(lambda label: label.startswith(ours), _labels(chapter)):
            if label not in verdicts:
                faults.append(f"{chapter.relative_to(book)}: {label}: is a label without a row")
            elif verdicts[label] == "open":
                faults.append(f"{chapter.relative_to(book)}: {label}: is shown but still open")
    return faults


@dataclass(frozen=True)
class Rendered:
    """Something for a notebook to show: HTML for the reader, plain text for the comparison."""

    html: str
    text: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}


def table(rows: Iterable[Row], caption: str) -> Rendered:
    """The rows as a table with links to chapters and a filter by verdict.

    Parameters
    ----------
    rows : iterable of Row
    caption : str
        What the table shows, read out by screen readers too.
    """
    return _table(tuple(rows), caption, named=False)


def errata(rows: Iterable[Row]) -> Rendered:
    """The rows that need the reader's care: refuted, corrected, conditional, in this order.

    The caption counts them, and those of them that hang on our copy of the source.
    """
    chosen = needing_care(rows)
    doubtful = sum(bool(row.copy) for row in chosen)
    caption = f"{len(chosen)} rows that are refuted, corrected or conditional"
    return _table(chosen, f"{caption}; {doubtful} of them hang on our copy", named=True)


def needing_care(rows: Iterable[Row]) -> list[Row]:
    """The rows of the errata, worst first; within a verdict in the order of the sources."""
    chosen = (row for row in rows if row.verdict in ERRATA)
    return sorted(chosen, key=lambda row: ERRATA.index(row.verdict))


def scoreboard(rows: Iterable[Row]) -> Rendered:
    """How many rows of each source have each verdict: bars, a table, and what the words mean."""
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


def _table(rows: Sequence[Row], caption: str, named: bool) -> Rendered:
    present = [verdict for verdict in VERDICTS if any(row.verdict == verdict for row in rows)]
    present += ["our copy"] if any(row.copy for row in rows) else []
    options = "".join(f"<option>{verdict}</option>" for verdict in ["all", *present])
    columns = _COLUMNS if any(row.read for row in rows) else _COLUMNS[:-1]  # nothing judged yet
    wide = columns is _COLUMNS
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    here = {row.id for row in rows}
    html = _box(
        f'<label>Show <select onchange="{_FILTER}">{options}</select></label>',
        caption, head, (_html_row(row, named, wide, here) for row in rows), "ledger-rows",
    )  # fmt: skip
    return Rendered(html, "\n".join([caption, *(_text_row(row) for row in rows)]))


def _box(above: str, caption: str, head: str, body: Iterable[str], kind: str) -> str:
    newline = "\n"
    return f"""{_STYLE}<div class="ledger {kind}">
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


def _html_row(row: Row, named: bool, wide: bool, here: Set[str]) -> str:
    text = _linked(_prose(row.note), row, here)
    note = f'<br><span class="ledger-note">{text}</span>' if row.note else ""
    if row.copy:
        note += f'<span class="ledger-copy"><b>Our copy:</b> {_prose(row.copy)}</span>'
    name = f"{TITLES.get(row.source, row.source)} {row.name}" if named else row.name
    where = _link(row.read, _chapter_url(row)) if row.read else ""
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


def _chapter_url(row: Row) -> str:
    chapter = FOLDER.parent / f"{row.read}.md"
    labelled = row.kind == "equation" and chapter.is_file()
    anchor = _labels(chapter).get(row.id) if labelled else None
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
        f'<span style="flex:{count[verdict]};background:{_COLOURS[verdict][4]}"'
        f' title="{count[verdict]} {verdict}"></span>'
        for verdict in VERDICTS
        if count[verdict]
    )
    label = escape(f"{name}: {_sentence(count)}")
    return (
        f'<div class="ledger-line"><span>{escape(name)}</span>'
        f'<div class="ledger-bar" role="img" aria-label="{label}">{parts}</div></div>'
    )


_COLUMNS = ("Where", "What it says", "Verdict", "Read and check")
_FILTER = (
    "this.closest('.ledger').querySelectorAll('tbody tr').forEach("
    "r => { r.hidden = this.value != 'all' && !r.dataset.show.includes(this.value) })"
)
# Of the words: background and ink, light and dark mode, contrast at least 7 : 1. Of the bars: one.
_COLOURS = {
    "definition": ("#e3e6ea", "#2b3138", "#3a4048", "#f1f3f5", "#8a939e"),
    "proved": ("#c8ecd2", "#0b3d1c", "#14502a", "#e3f8e9", "#2e9e57"),
    "verified": ("#cfe6f7", "#0b3558", "#124a75", "#e4f2fc", "#2f86c9"),
    "conditional": ("#fbe7b2", "#4d3500", "#5a4300", "#fff3d1", "#d9a521"),
    "corrected": ("#fcd9bd", "#5c2600", "#6b3206", "#ffeadb", "#e07b2c"),
    "refuted": ("#f8cfd2", "#690812", "#75141f", "#ffe5e7", "#cf3a47"),
    "reconstructed": ("#e2d6f5", "#3a1a6b", "#48297c", "#f0e8fc", "#8a5cc7"),
    "not reproduced": ("#f4d3ea", "#5a0c45", "#691b55", "#fce6f6", "#c24fa3"),
    "open": ("#ffffff", "#4a4f55", "#20242a", "#d5d9de", "transparent"),
}
_DARK = "html[data-theme=dark]"
_STYLE = (
    """<style>
.ledger { font-size: 0.9rem; }
.ledger-scroll { overflow-x: auto; max-width: 100%; margin-top: 0.5rem; }
.ledger .ledger-scroll table { display: table; overflow: visible; border-collapse: collapse;
  width: 100%; min-width: 38rem; max-width: none; margin: 0; background: none; }
.ledger .ledger-scroll caption { caption-side: top; text-align: left; font-weight: 600;
  color: inherit; padding: 0.3rem 0; }
.ledger .ledger-scroll :is(th, td) { border-bottom: 1px solid #8886; padding: 0.4rem 0.5rem;
  text-align: left; vertical-align: top; white-space: normal; }
.ledger tr[hidden] { display: none; }
.ledger tbody th { min-width: 6rem; }
.ledger code { overflow-wrap: anywhere; font-size: 0.78rem; }
.ledger-note { font-style: italic; }
.ledger-copy { display: block; margin-top: 0.3rem; padding: 0.15rem 0.4rem; border-radius: 0.2rem;
  border-left: 3px solid #d9a521; background: #d9a5211f; }
.ledger-meaning { font-weight: normal; font-size: 0.82rem; }
.ledger-verdict { border-radius: 0.6rem; padding: 0.1rem 0.5rem; white-space: nowrap; }
.ledger-open { outline: 1px solid #8886; outline-offset: -1px; }
.ledger-counts .ledger-scroll td { text-align: right; }
.ledger-line { display: flex; flex-wrap: wrap; align-items: center; margin: 0.25rem 0; }
.ledger-line > span { flex: 0 0 10rem; }
.ledger-bar { display: flex; flex: 1 0 10rem; height: 1.1rem; border: 1px solid #888; }
.ledger-rows .ledger-scroll table,
.ledger-rows .ledger-scroll :is(caption, thead, tbody) { display: block; min-width: 0; }
.ledger-rows .ledger-scroll tr:not([hidden]) { display: grid; border-bottom: 1px solid #8886;
  grid-template-columns: 7.5rem 1fr 8.5rem; padding-block: 0.3rem; }
.ledger-rows .ledger-scroll :is(th, td) { border: 0; padding: 0.1rem 0.5rem; }
.ledger-rows .ledger-scroll tr > :nth-child(4) { grid-column: 2 / -1; }
@media (max-width: 575px) {
  .ledger-rows .ledger-scroll thead { display: none; }
  .ledger-rows .ledger-scroll tr:not([hidden]) { grid-template-columns: 1fr auto;
    column-gap: 0.5rem; padding-block: 0.4rem; }
  .ledger-rows .ledger-scroll :is(th, td) { padding: 0.1rem 0; }
  .ledger-rows .ledger-scroll tr > :nth-child(n + 2) { grid-column: 1 / -1; }
  .ledger-rows .ledger-scroll tr > td:nth-of-type(2) { grid-area: 1 / 2; }
  .ledger-counts .ledger-scroll table { min-width: 0; }
  .ledger-counts .ledger-scroll :is(thead, tbody) { display: block; }
  .ledger-counts .ledger-scroll tr { display: grid; grid-template-columns: repeat(6, 1fr);
    border-bottom: 1px solid #8886; }
  .ledger-counts .ledger-scroll :is(th, td) { border: 0; padding: 0.2rem 0.1rem; }
  .ledger-counts .ledger-scroll thead th { font-size: 0.72rem; text-align: right; }
  .ledger-counts .ledger-scroll :is(thead, tbody) th:first-child { grid-column: 1 / -1; }
  .ledger-counts .ledger-scroll thead th:first-child { display: none; }
}
"""
    + f"{_DARK} .bd-content div.cell_output .text_html:has(div.ledger) "
    + "{ background: none; color: inherit; padding: 0; }\n"
    + "".join(
        f".ledger-{verdict.replace(' ', '-')} {{ background: {back}; color: {ink}; }}\n"
        f"{_DARK} .ledger-{verdict.replace(' ', '-')} {{ background: {dark}; color: {pale}; }}\n"
        for verdict, (back, ink, dark, pale, _) in _COLOURS.items()
    )
    + "</style>\n"
)
