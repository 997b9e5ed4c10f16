"""The ledger: one row for each equation, figure, table, algorithm and claim of the five sources.

``book/ledger/<source>.yml`` says for every row what the source states, what we found (the
verdict), which chapter shows it and which test checks it. This module reads those files,
lists what is wrong with them, and renders them for the book.

A row's id is ``<source>-<number>`` for an equation and ``<source>-<kind><number>`` for the
rest: ``zhang-41``, ``zhang-fig2``, ``liu-algorithm3``.
"""

from collections.abc import Iterable
from pathlib import Path

from cfisac import _book
from cfisac.ledger import _files, _table
from cfisac.ledger._faults import problems
from cfisac.ledger._pages import Rendered, scoreboard
from cfisac.ledger._rows import (
    ERRATA,
    KIND_NAMES,
    NEEDS_NOTE,
    NEEDS_REPAIR,
    REQUIRED,
    TITLES,
    VERDICTS,
    Row,
)

__all__ = [
    "ERRATA",
    "FOLDER",
    "KIND_NAMES",
    "NEEDS_NOTE",
    "NEEDS_REPAIR",
    "REQUIRED",
    "TITLES",
    "VERDICTS",
    "Rendered",
    "Row",
    "all_rows",
    "errata",
    "load",
    "needing_care",
    "problems",
    "scoreboard",
    "table",
]

FOLDER = _book.FOLDER / "ledger"


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

    Examples
    --------
    >>> from cfisac import ledger
    >>> row = next(row for row in ledger.load() if row.id == 'zhang-41')
    >>> print(row.verdict, row.read)
    proved limits/angle_gain
    """
    folder = FOLDER if folder is None else Path(folder)
    rows, wrong = [], []
    for source in TITLES:
        path = folder / f"{source}.yml"
        if not path.is_file():
            raise ValueError(f"folder must hold the ledger of every source; {path} is not there")
        for position, entry in enumerate(_files.read(path), 1):
            fault = _files.entry_fault(entry)
            if fault:
                name = entry.get("id", f"entry {position}") if isinstance(entry, dict) else position
                wrong.append(f"{path.name}: {name}: {fault}")
            else:
                rows.append(Row(source=source, **entry))
    if wrong:
        raise ValueError("\n".join(wrong))
    return tuple(rows)


def table(rows: Iterable[Row], caption: str) -> Rendered:
    """The rows as a table with their formulas, links to chapters and filters.

    Each row shows the equation that its chapter displays, and beside it the repaired one if it
    has one.

    Parameters
    ----------
    rows : iterable of Row
    caption : str
        What the table shows, read out by screen readers too.

    Examples
    --------
    >>> from cfisac import ledger
    >>> rows = [row for row in ledger.load() if row.id == 'zhang-41']
    >>> print(ledger.table(rows, 'One row').text.splitlines()[0])
    One row
    """
    return _table.table(tuple(rows), caption, FOLDER.parent, named=False)


def all_rows(rows: Iterable[Row], caption: str) -> Rendered:
    """The rows of several sources in one table, for whoever looks for one of them.

    Its plain text only counts them: the tables of the sources hold the rest.

    Examples
    --------
    >>> from cfisac import ledger
    >>> print(ledger.all_rows(ledger.load(), 'All of them').text)
    All of them: 382 rows
    """
    rows = tuple(rows)
    shown = _table.table(rows, caption, FOLDER.parent, named=True)
    return Rendered(shown.html, f"{caption}: {len(rows)} rows")


def errata(rows: Iterable[Row]) -> Rendered:
    """The rows that need the reader's care: refuted, corrected, conditional, in this order.

    The caption counts them, and those of them that hang on our copy of the source.

    Examples
    --------
    >>> from cfisac import ledger
    >>> row = ledger.Row('liu', 'liu-1', 'what it says', 'refuted', note='why')
    >>> print(ledger.errata([row]).text.splitlines()[0])
    1 rows that are refuted, corrected or conditional; 0 of them hang on our copy
    """
    chosen = needing_care(rows)
    doubtful = sum(bool(row.copy) for row in chosen)
    caption = f"{len(chosen)} rows that are refuted, corrected or conditional"
    caption = f"{caption}; {doubtful} of them hang on our copy"
    return _table.table(chosen, caption, FOLDER.parent, named=True)


def needing_care(rows: Iterable[Row]) -> list[Row]:
    """The rows of the errata, worst first; within a verdict in the order of the sources.

    Examples
    --------
    >>> from cfisac import ledger
    >>> verdicts = ['proved', 'conditional', 'refuted']
    >>> rows = [ledger.Row('liu', f'liu-{n}', '', verdicts[n]) for n in range(3)]
    >>> [row.id for row in ledger.needing_care(rows)]
    ['liu-2', 'liu-1']
    """
    chosen = (row for row in rows if row.verdict in ERRATA)
    return sorted(chosen, key=lambda row: ERRATA.index(row.verdict))
