"""A study's table for the eye: its first rows with units, and a picture."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cfisac import _checks
from cfisac.studies._study import Study

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure

WIDTH = 100  # characters of a line of the table
MOST_LINES = 12  # that a legend names
WIDE = 30.0  # largest over smallest value from which an axis is logarithmic

_UNITS = {
    "m": "m", "m2": "m²", "s": "s", "s2": "s²", "ns": "ns", "us": "µs", "hz": "Hz", "w": "W",
    "rad": "rad", "rad2": "rad²", "deg": "deg", "db": "dB", "dbsm": "dBsm", "bit": "bit",
}  # fmt: skip
_ONE = "|".join(sorted(_UNITS, key=len, reverse=True))
_UNIT = re.compile(rf"(?:_(?:per_)?(?:{_ONE}))+$")


def name_and_unit(column: str) -> tuple[str, str]:
    """What a column of a study's table is called, and its unit, which ends its name.

    Parameters
    ----------
    column : str
        As in the table: ``peb_exact_m``, ``delay_variance_rad2_per_s2``.

    Returns
    -------
    name, unit : str
        ``("peb exact", "m")``, ``("delay variance", "rad²/s²")``; a ratio has no unit.

    Examples
    --------
    >>> from cfisac import studies
    >>> studies.name_and_unit("median_speed_m_per_s")
    ('median speed', 'm/s')
    >>> studies.name_and_unit("peb_over_peb_at_90_deg")
    ('peb over peb at 90 deg', '')
    """
    found = None if "_over_" in column else _UNIT.search(column)
    if found is None:
        return column.replace("_", " "), ""
    parts = found[0].removeprefix("_").replace("per_", "/").split("_")
    unit = " ".join(part[: part.startswith("/")] + _UNITS[part.lstrip("/")] for part in parts)
    unit = unit.replace(" /", "/")
    return column[: found.start()].replace("_", " "), ("1" if unit.startswith("/") else "") + unit


def first_rows(table: "pd.DataFrame", n_rows: int = 6) -> str:
    """The first rows of a study's table as text, values beside their standard errors.

    Parameters
    ----------
    table : DataFrame
        As :func:`cfisac.studies.stored` returns it.
    n_rows : int
        How many rows.

    Returns
    -------
    str
        A line of names, a line of units and the rows, no wider than 100 characters; what was left
        out is counted in a last line.

    Raises
    ------
    ValueError
        If ``n_rows`` is no whole number >= 1.

    Examples
    --------
    >>> from cfisac import studies
    >>> print(studies.first_rows(studies.stored("zhang-fig2"), 2))
    n antennas  n pilots   mean angle crlb
                                      rad²
             4         4  0.008654 ± 5e-06
             4         8   0.00433 ± 2e-06
    (18 more rows)
    """
    n_rows = _checks.one("n_rows", n_rows, _checks.count)
    names = [name for name in map(str, table) if not _is_error(table, name)]
    shown = [_column(table.head(n_rows), name) for name in names]
    widths = [max(map(len, column)) for column in shown]
    room = np.cumsum([width + 2 for width in widths]) - 2
    n_columns = max(1, int(np.sum(room <= WIDTH)))
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in zip(*shown[:n_columns], strict=True)
    ]
    left = {"row": len(table) - min(n_rows, len(table)), "column": len(shown) - n_columns}
    more = [f"{n} more {what}{'s' * (n > 1)}" for what, n in left.items() if n]
    return "\n".join([line for line in lines if line] + [f"({', '.join(more)})"] * bool(more))


def _is_error(table: "pd.DataFrame", column: str) -> bool:
    return column.endswith("_se") and column.removesuffix("_se") in table


def _column(table: "pd.DataFrame", column: str) -> list[str]:
    """Name, unit and cells of a column, with its standard errors."""
    errors = list(table.get(f"{column}_se", [None] * len(table)))
    cells = []
    for value, error in zip(table[column], errors, strict=True):
        cell = value if isinstance(value, str) else f"{value:.4g}"
        cells.append(cell if error is None or not error >= 0 else f"{cell} ± {error:.1g}")
    return [*name_and_unit(column), *cells]


def picture(study: Study, table: "pd.DataFrame", path: Path) -> Path:
    """Draw a study's table into a PNG.

    The study's own ``plot`` if it has one. Otherwise the column that the study ``shows``, or the
    first computed one that varies, against the parameter with the most values, one line for each
    setting of the others; bars if no parameter runs over numbers.

    Parameters
    ----------
    study : Study
    table : DataFrame
        Its table, as :func:`cfisac.studies.stored` returns it.
    path : Path
        Where the PNG goes.

    Returns
    -------
    Path
        The same.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from cfisac import studies
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, 'table.png')
    ...     study = studies.get('zhang-fig2')
    ...     print(studies.picture(study, studies.stored(study.id), path).name)
    table.png
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from cfisac import plotting  # here, or every command would wait for it

    with mpl.rc_context():
        plotting.style()
        figure = Figure(figsize=(7.2, 4.2))
        (study.plot or _plain)(study, table, figure)
        figure.suptitle(study.title, fontsize=10, wrap=True)
        figure.savefig(path, dpi=150)
    return path


def _plain(study: Study, table: "pd.DataFrame", figure: "Figure") -> None:
    axes, cell = figure.subplots(), list(study.cells[0])
    computed = [name for name in map(str, table) if name not in cell]
    varying = [name for name in computed if table[name].nunique() > 1]
    result = study.shows or (varying or computed)[0]
    values = table[result].where(np.isfinite(table[result]))
    numbers = [name for name in cell if not isinstance(study.cells[0][name], str)]
    counts = [len(table[name].unique()) for name in numbers]
    across = numbers[counts.index(max(counts))] if numbers else ""
    others = [name for name in cell if name != across]
    groups: list[Any] = list(table.groupby(others, sort=False)) if others else [((), table)]
    lines = bool(across) and max(len(rows) for _, rows in groups) > 2
    if lines:
        for setting, rows in groups:
            errors, label = rows.get(f"{result}_se"), _setting(others, setting)
            axes.errorbar(rows[across], values[rows.index], errors, marker="o", label=label)
        axes.set(xlabel=_label(across), ylabel=_label(result))
        if others and len(groups) <= MOST_LINES:
            axes.legend(fontsize=8)
    else:
        settings = table[cell].itertuples(index=False)
        axes.barh(range(len(table)), values)
        axes.set_yticks(range(len(table)), [_setting(cell, row) for row in settings], fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel(_label(result))
    known = values.dropna()
    if len(known) and known.min() > 0 and known.max() > WIDE * known.min():
        (axes.set_yscale if lines else axes.set_xscale)("log")


def _setting(names: "Sequence[str]", values: "Sequence[object]") -> str:
    """Parameters in words: texts as they are, numbers after their names."""
    return ", ".join(
        value if isinstance(value, str) else f"{name_and_unit(name)[0]} {value:g}"
        for name, value in zip(names, values, strict=False)
    )


def _label(column: str) -> str:
    name, unit = name_and_unit(column)
    return f"{name} ({unit})" if unit else name
