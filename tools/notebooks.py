"""Chapters as notebooks for plain Jupyter: the book's downloads, and a student edition.

The chapters are MyST Markdown. Jupyter knows no directives or roles, so here they become what it
does know: boxes turn into quotations with a bold title, labels go, maths stays, and numbers that
the book pastes into its prose are pasted here too. What a reference refers to is called as the
built pages call it: "Theorem 3.1", "(5.12)", "Fig. 7.1".
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import jupytext
import nbformat
from cfisac_sphinx import typeset
from nbformat import NotebookNode
from pages import Item, Pages
from slim import compact

import book

FENCE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ ]*(?P<argument>[^\n]*)\n"
    r"(?P<body>.*?)^(?P=fence)[ ]*$",
    re.M | re.S,
)
SOLUTION = re.compile(
    r"^(`{3,}|:{3,})\{solution-start\}.*?^\1\{solution-end\}\n\1[ ]*$"
    r"|^(`{3,}|:{3,})\{solution\}.*?^\2[ ]*$",
    re.M | re.S,
)
EMPTY_ANSWER = "```{code-cell} ipython3\n# your answer\n```"
ROLE = re.compile(r"\{(?P<name>[\w:]+)\}`(?P<text>[^`]+)`")
CITATION = re.compile(r"\{cite(?::[pt])?\}`[^`]+`")
BOX_NAMES = {"exercise-start": "exercise", "solution-start": "solution"}
LEFT_OUT = "ledger/"  # of the student edition


@dataclass(frozen=True)
class Known:
    """What a chapter's text cannot say by itself.

    Parameters
    ----------
    numbers
        What the chapter glues: name to text.
    page
        The chapter's name, from which the paths of its references start.
    items
        What the built pages show, by label. Without it labels stand where numbers would.
    """

    numbers: Mapping[str, str] = field(default_factory=dict)
    page: str = ""
    items: Mapping[str, Item] = field(default_factory=dict)

    def item(self, label: str) -> Item | None:
        """What has a label."""
        return self.items.get(label)

    def title(self, path: str) -> str:
        """The title of a page, from its path in this one."""
        where = posixpath.normpath(posixpath.join(posixpath.dirname(self.page), path))
        found = self.item(f"doc {where}")
        return f"*{dollars(found.title)}*" if found else path.rsplit("/", 1)[-1].replace("_", " ")


def dollars(text: str) -> str:
    """Formulas as Jupyter writes them."""
    return re.sub(r"\\\((.*?)\\\)", r"$\1$", text)


def notebook(text: str, known: Known) -> NotebookNode:
    """A chapter's source, MyST, as a notebook that plain Jupyter shows well."""
    result = jupytext.reads(text, fmt="md:myst")
    cells = []
    for cell in result.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = readable(cell.source, known)
        elif caption := caption_of(cell.metadata.pop("mystnb", {}), known):
            cells.append(nbformat.v4.new_markdown_cell(caption))
    result.cells = [cell for cell in cells if cell.cell_type == "code" or cell.source]
    for number, cell in enumerate(result.cells):
        cell.id = f"c{number:03d}"
    result.nbformat, result.nbformat_minor = 4, 5
    return result


def caption_of(options: Mapping, known: Known) -> str:
    """The caption that the book puts below the figure of a cell."""
    figure = options.get("figure") or {}
    item = known.item(figure.get("name", ""))
    if not figure.get("caption"):
        return ""
    return f"**{item.number if item else 'Figure'}.** {readable(figure['caption'], known)}"


def without_solutions(text: str) -> str:
    """A chapter's source with an empty cell in place of each solution."""
    return SOLUTION.sub(EMPTY_ANSWER, text)


def with_citations(text: str, shown: list[str]) -> str:
    """A chapter's source with its citations as its page shows them."""
    words = iter(shown if len(CITATION.findall(text)) == len(shown) else [])
    return CITATION.sub(lambda match: next(words, match[0]), text)


def readable(text: str, known: Known) -> str:
    """Markdown without MyST directives, roles and labels."""
    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.M)
    text = re.sub(r"^(`{3,}|:{3,})\{(exercise|solution)-end\}\n\1[ ]*$", "", text, flags=re.M)
    text = FENCE.sub(lambda match: _directive(match, known), text)
    text = re.sub(
        r"^\$\$ *\(([\w-]+)\) *$", lambda match: f"{_tag(match[1], known)}\n$$", text, flags=re.M
    )
    text = ROLE.sub(lambda match: _role(match["name"], match["text"], known), text)
    text = re.sub(r'<a href="(?!\w+:)[^"]*">(.*?)</a>', r"\1", text)
    text = re.sub(r"^(\S[^\n]*)\n: +", r"- **\1:** ", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _tag(label: str, known: Known) -> str:
    item = known.item(f"eq {label}")
    return f"\\tag{{{item.number[1:-1] if item else label}}}"


def _directive(match: re.Match[str], known: Known) -> str:
    name, title = match["name"], match["argument"].strip()
    body = re.sub(r"\A(---\n.*?\n---\n|(:[\w-]+:[^\n]*\n)+)", "", match["body"], flags=re.S).strip()
    label = re.search(r"^:label: *(\S+)", match["body"], flags=re.M)
    if name == "math":
        return f"$$\n{body}" + (f"\n{_tag(label[1], known)}" if label else "") + "\n$$"
    if name.startswith(("glue", "bibliography", "tableofcontents", "eval-rst")):
        return ""
    if name in ("figure", "image"):
        return f"![{body}]({title})"
    if name == "list-table":
        return _table(title, body, known)
    kind = BOX_NAMES.get(name, name.removeprefix("prf:")).capitalize()
    if name == "solution-start":  # its argument is the label of the exercise
        item, title = known.item(title), ""
        kind = f"Solution to {item.number}" if item and item.number else kind
    elif label and (item := known.item(label[1])) and item.number:
        kind = item.number
    is_plain = name in ("admonition", "tip", "note", "margin", "dropdown")
    head = title if is_plain and title else f"{kind} ({title})" if title else kind
    quoted = readable(f"**{head}.** {body}", known)
    return "\n".join(f"> {line}".rstrip() for line in quoted.splitlines()) + "\n"


def _table(title: str, body: str, known: Known) -> str:
    """A list of lists as a table; its first row is the head."""
    rows = [
        [" ".join(cell.split()) for cell in re.split(r"(?:^|\n) *- ", row)[1:]]
        for row in re.split(r"^\* ", body, flags=re.M)[1:]
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines[1:1] = ["|" + "---|" * len(rows[0])]
    return "\n".join([f"**{title}**\n"] * bool(title) + lines) + "\n"


def _role(name: str, text: str, known: Known) -> str:
    shown = re.fullmatch(r"(.*?)\s*<([^>]*)>", text, flags=re.S)
    if name.startswith("glue"):
        return _pasted(text, known.numbers)
    if name == "math":
        return f"${text}$"
    if name.startswith("cite"):
        return f"[{text}]"
    if name.startswith("py:"):
        return f"`{shown[1] if shown else text.rsplit('.', 1)[-1].lstrip('~')}`"
    if shown:
        return shown[1]
    if name == "doc":
        return known.title(text)
    if name == "eq":
        item = known.item(f"eq {text}")
        return item.number if item else f"({text})"
    item = known.item(text) if name in ("ref", "numref", "prf:ref") else None
    if item is None:
        return text.rsplit("/", 1)[-1].replace("_", " ")
    return dollars(item.name) if item.number else f"*{dollars(item.title)}*"


def _pasted(text: str, numbers: Mapping[str, str]) -> str:
    name, _, layout = text.partition(":")
    value = numbers.get(name.strip(), "...").strip("'\"")
    for kind in (int, float):
        try:
            return typeset(format(kind(value), layout) if layout else value)
        except ValueError:
            continue
    return value


def glued(chapter_outputs: NotebookNode) -> dict[str, str]:
    """The numbers that a chapter's cells glue, as text."""
    found = {}
    for cell in chapter_outputs.cells:
        for output in cell.get("outputs", []):
            name, data = book.glued_name(output), output.get("data", {})
            if name and f"{book.GLUED}text/plain" in data:
                found[name] = data[f"{book.GLUED}text/plain"]
    return found


def _write(folder: str, make: Callable[[str], str], outputs: bool, without: str = "\0") -> int:
    cache = book.open_cache()
    pages = Pages(book.HTML)
    written = 0
    for chapter in book.chapters():
        name = book.name_of(chapter)
        if name.startswith(without):
            continue
        try:
            _, executed = cache.merge_match_into_notebook(book.cells_of(chapter))
        except KeyError:  # never run here: the stored outputs know the numbers
            executed = nbformat.v4.new_notebook(cells=book.stored_cells(book.stored_path(chapter)))
        text = make(with_citations(chapter.read_text(), pages.citations.get(name, [])))
        result = notebook(text, Known(glued(executed), name, pages))
        if outputs:
            code = [cell for cell in result.cells if cell.cell_type == "code"]
            for cell, done in zip(code, executed.cells, strict=True):
                cell.outputs, cell.execution_count = done.outputs, done.execution_count
                for data in (output.get("data", {}) for output in cell.outputs):
                    if "image/svg+xml" in data:
                        data["image/svg+xml"] = compact(data["image/svg+xml"])
                    if "application/vnd.plotly.v1+json" in data or name.startswith("ledger/"):
                        data.pop("text/html", None)  # which needs the site around it
        result.cells.insert(0, book.setup_cell())
        target = book.BUILD / folder / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        text = nbformat.writes(result)
        if outputs:  # read by programs alone: a line for each number would be a tenth of it
            text = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
        target.write_text(text + "\n", encoding="utf-8")
        written += 1
    return written


def write_downloads() -> None:
    """Replace the notebooks that the pages offer: Sphinx writes them without outputs."""
    _write("html/_sources", str, outputs=True)


def write_student() -> int:
    """Notebooks without solutions and ledger, and nothing run, in _build/student."""
    shutil.rmtree(book.STUDENT, ignore_errors=True)
    count = _write("student", without_solutions, outputs=False, without=LEFT_OUT)
    print(f"{count} notebooks without solutions in {book.STUDENT}")
    return 0
