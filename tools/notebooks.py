"""Chapters as notebooks for plain Jupyter: the book's downloads, and a student edition.

The chapters are MyST Markdown. Jupyter knows no directives or roles, so here they become what it
does know: boxes turn into quotations with a bold title, labels go, maths stays, and numbers that
the book pastes into its prose are pasted here too.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping

import jupytext
import nbformat
from cfisac_sphinx import typeset
from nbformat import NotebookNode

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
BOX_NAMES = {"exercise-start": "exercise", "solution-start": "solution"}


def notebook(text: str, numbers: Mapping[str, str]) -> NotebookNode:
    """A chapter's source as a notebook that plain Jupyter shows well.

    Parameters
    ----------
    text
        MyST source.
    numbers
        What the chapter glues: name to text.
    """
    result = jupytext.reads(text, fmt="md:myst")
    for number, cell in enumerate(result.cells):
        cell.id = f"c{number:03d}"
        if cell.cell_type == "markdown":
            cell.source = readable(cell.source, numbers)
        else:
            cell.metadata.pop("mystnb", None)
    result.cells = [cell for cell in result.cells if cell.cell_type == "code" or cell.source]
    result.nbformat, result.nbformat_minor = 4, 5
    return result


def without_solutions(text: str) -> str:
    """A chapter's source with an empty cell in place of each solution."""
    return SOLUTION.sub(EMPTY_ANSWER, text)


def readable(text: str, numbers: Mapping[str, str]) -> str:
    """Markdown without MyST directives, roles and labels."""
    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.M)
    text = re.sub(r"^(`{3,}|:{3,})\{(exercise|solution)-end\}\n\1[ ]*$", "", text, flags=re.M)
    text = FENCE.sub(lambda match: _directive(match, numbers), text)
    text = ROLE.sub(lambda match: _role(match["name"], match["text"], numbers), text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _directive(match: re.Match[str], numbers: Mapping[str, str]) -> str:
    name, title = match["name"], match["argument"].strip()
    body = re.sub(r"\A(---\n.*?\n---\n|(:[\w-]+:[^\n]*\n)+)", "", match["body"], flags=re.S).strip()
    if name == "math":
        label = re.search(r"^:label: *(\S+)", match["body"], flags=re.M)
        return f"$$\n{body}" + (f"\n\\tag{{{label[1]}}}" if label else "") + "\n$$"
    if name.startswith(("glue", "bibliography", "tableofcontents", "eval-rst")):
        return ""
    if name in ("figure", "image"):
        return f"![{body}]({title})"
    if name == "solution-start":
        title = ""  # the label of its exercise
    kind = BOX_NAMES.get(name, name.removeprefix("prf:")).capitalize()
    is_plain = name in ("admonition", "tip", "note", "margin", "dropdown")
    head = title if is_plain and title else f"{kind} ({title})" if title else kind
    quoted = readable(f"**{head}.** {body}", numbers)
    return "\n".join(f"> {line}".rstrip() for line in quoted.splitlines()) + "\n"


def _role(name: str, text: str, numbers: Mapping[str, str]) -> str:
    shown = re.fullmatch(r"(.*?)\s*<([^>]*)>", text, flags=re.S)
    if name.startswith("glue"):
        return _pasted(text, numbers)
    if name == "eq":
        return f"({text})"
    if name == "math":
        return f"${text}$"
    if name.startswith("cite"):
        return f"[{text}]"
    return shown[1] if shown else text.rsplit("/", 1)[-1].replace("_", " ")


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


def _write(folder: str, make: Callable[[str], str], outputs: bool) -> int:
    cache = book.open_cache()
    written = 0
    for chapter in book.chapters():
        try:
            _, executed = cache.merge_match_into_notebook(book.cells_of(chapter))
        except KeyError:  # never run here: the stored outputs know the numbers
            executed = nbformat.v4.new_notebook(cells=book.stored_cells(book.stored_path(chapter)))
        result = notebook(make(chapter.read_text()), glued(executed))
        if outputs:
            code = [cell for cell in result.cells if cell.cell_type == "code"]
            for cell, done in zip(code, executed.cells, strict=True):
                cell.outputs, cell.execution_count = done.outputs, done.execution_count
        result.cells.insert(0, book.setup_cell())
        target = book.BUILD / folder / f"{book.name_of(chapter)}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(result, target)
        written += 1
    return written


def write_downloads() -> None:
    """Replace the notebooks that the pages offer: Sphinx writes them without outputs."""
    _write("html/_sources", str, outputs=True)


def write_student() -> int:
    """Notebooks without solutions, and nothing run, in _build/student."""
    shutil.rmtree(book.STUDENT, ignore_errors=True)
    count = _write("student", without_solutions, outputs=False)
    print(f"{count} notebooks without solutions in {book.STUDENT}")
    return 0
