"""Formulas of the ledger's rows, from the chapters that show them: nothing is typed twice."""

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cfisac.ledger._rows import Row

_CODE = re.compile(r"^(`{3,})\{code-cell\}.*?^\1[ ]*$", re.MULTILINE | re.DOTALL)
# What stands before a block, one line each: targets such as (fan_journal-5)=.
_BLOCK = re.compile(
    r"(?P<targets>(?:^\([\w-]+\)=[ ]*\n\n?)*)"
    r"^(?:(?P<fence>`{3,}|:{3,})\{math\}[ ]*\n(?P<options>(?::\w+:[^\n]*\n)*)"
    r"(?P<tex>.*?)^(?P=fence)[ ]*$"
    r"|\$\$(?P<dollars>.*?)\$\$[ ]*(?:\((?P<label>[\w-]+)\))?[ ]*$)",
    re.MULTILINE | re.DOTALL,
)
_LABEL = re.compile(r"[A-Za-z][\w-]*-\w+")


class Formula(NamedTuple):
    """LaTeX, and the label of the equation that it belongs to."""

    tex: str
    label: str


class Shown(NamedTuple):
    """What a row shows; None where there is nothing to show."""

    printed: Formula | None
    repaired: Formula | None


def formulas(chapter: Path) -> dict[str, Formula]:
    """The displayed equations of a chapter by label, and by the targets right before them."""
    return _formulas(chapter.read_text("utf-8"))


@lru_cache(maxsize=64)
def _formulas(text: str) -> dict[str, Formula]:
    found: dict[str, Formula] = {}
    for match in _BLOCK.finditer(_CODE.sub("", text)):
        own = re.search(r"^:label:\s*(\S+)", match["options"] or "", re.MULTILINE)
        label = own[1] if own else match["label"] or ""
        targets = re.findall(r"\(([\w-]+)\)=", match["targets"])
        formula = Formula(_display(match["tex"] or match["dollars"] or ""), label)
        found |= dict.fromkeys([*targets, *([label] if label else [])], formula)
    return found


def _display(tex: str) -> str:
    """What Sphinx makes of it, several lines put together; without the comma of a sentence."""
    tex = re.sub(r"(?<!\\)[.,;](\s*(?:\\end\{\w+\})?)$", r"\1", tex.strip())
    return f"\\begin{{split}}{tex}\\end{{split}}" if r"\\" in tex else tex


def is_label(text: str) -> bool:
    """Whether `repaired` names an equation of the chapter, and is no formula itself."""
    return bool(_LABEL.fullmatch(text))


def shown(row: Row, book: Path) -> Shown:
    """The formula of a row as its chapter displays it, and the repaired one."""
    chapter = book / f"{row.read}.md"
    here = formulas(chapter) if row.read and chapter.is_file() else {}
    repaired = here.get(row.repaired)
    if row.repaired and not is_label(row.repaired):
        repaired = Formula(_display(row.repaired), "")
    return Shown(here.get(row.id), repaired)


@lru_cache(maxsize=64)
def title(chapter: Path) -> str:
    """What a chapter is called, without its subtitle; its file's name in a wheel without one."""
    heading = None
    if chapter.is_file():
        heading = re.search(r"^# (.+)$", chapter.read_text("utf-8"), re.MULTILINE)
    return (
        heading[1].partition(": ")[0].strip()
        if heading
        else "/".join(chapter.with_suffix("").parts[-2:])
    )
