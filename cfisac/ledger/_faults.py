"""What is wrong with a ledger: numbers, verdicts, chapters, labels and tests."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from cfisac import _book
from cfisac.ledger._formulas import formulas, is_label
from cfisac.ledger._rows import NEEDS_NOTE, NEEDS_REPAIR, REQUIRED, TITLES, VERDICTS, Row

_LABEL = re.compile(
    r"^\s*:label:\s*(?P<math>[\w-]+)\s*$"
    r"|\$\$\s*\((?P<dollar>[\w-]+)\)\s*$"
    r"|^\s*\((?P<target>[\w-]+)\)=\s*$",
    re.MULTILINE,
)


def problems(rows: Iterable[Row], root: Path | str | None = None) -> list[str]:
    """What is wrong with a ledger, one line each; an empty list means that it is complete.

    Every required number is there once, every verdict is a known word, every judged row names
    a chapter of the book that bears its label and (definitions apart) a test that exists,
    every verdict that asks for an explanation has one, every equation that is corrected or
    refuted is shown as printed and repaired, and every label of a source that a chapter bears
    has a row that has been judged.

    Parameters
    ----------
    rows : iterable of Row
    root : path, optional
        The checkout with ``book/`` and ``tests/``; by default the one this package lies in.

    Raises
    ------
    ValueError
        If ``root`` is not given and the package was installed without a checkout.

    Examples
    --------
    >>> from cfisac import ledger
    >>> rows = [row for row in ledger.load() if row.id != 'zhang-41']
    >>> print(ledger.problems(rows)[0])
    zhang.yml: zhang-41: is missing
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
    elif judged and row.kind == "equation" and row.id not in labels(chapter):
        faults.append(f"label {row.id} does not occur in book/{row.read}.md")
    faults += _repair_faults(row, chapter)
    if judged and row.verdict != "definition" and not row.check:
        faults.append(f"verdict {row.verdict!r} needs a test in `check`")
    elif row.check:
        faults += _test_fault(row.check, root)
    return faults


def _repair_faults(row: Row, chapter: Path) -> list[str]:
    """Who reads that a formula is wrong sees it, and the right one, side by side.

    Of what is no formula the words and the note tell it.
    """
    here = formulas(chapter) if row.read and chapter.is_file() else {}
    needs = row.verdict in NEEDS_REPAIR and row.kind == "equation"
    faults = []
    if needs and row.id not in here:
        faults.append(f"verdict {row.verdict!r} needs the printed formula in book/{row.read}.md")
    if needs and not row.repaired:
        faults.append(f"verdict {row.verdict!r} needs the right formula in `repaired`")
    if is_label(row.repaired) and row.repaired not in here:
        faults.append(f"`repaired`: no equation {row.repaired} in book/{row.read}.md")
    return faults


def _test_fault(check: str, root: Path) -> list[str]:
    file, _, inside = check.partition("::")
    name = inside.split("[")[0]  # of a parametrised test
    path = root / file
    if not path.is_file():
        return [f"test file {file} is not there"]
    if name not in _tests_of(path.read_text("utf-8")):
        return [f"test {name or '(none named)'} is not in {file}"]
    return []


@lru_cache(maxsize=64)
def _tests_of(text: str) -> set[str]:
    """Many rows name the same file."""
    return _tests(ast.parse(text).body)


def _tests(body: Sequence[ast.stmt]) -> set[str]:
    """Names of the tests that pytest would collect, ``Class::test`` for one in a class."""
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    inside = {f"{node.name}::{name}" for node in classes for name in _tests(node.body)}
    return {name for name in functions if name.startswith("test")} | inside


def labels(chapter: Path) -> dict[str, str]:
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
        for label in filter(lambda label: label.startswith(ours), labels(chapter)):
            if label not in verdicts:
                faults.append(f"{chapter.relative_to(book)}: {label}: is a label without a row")
            elif verdicts[label] == "open":
                faults.append(f"{chapter.relative_to(book)}: {label}: is shown but still open")
    return faults
