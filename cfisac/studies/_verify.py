"""A stored table against its provenance and against a new computation."""

import csv
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cfisac import _checks, montecarlo, studies
from cfisac.studies._study import Row, Study, digest, table_path

TOLERANCE = 1e-6  # relative; other machines round otherwise, and no stored number feels more
VALUES = 1e-8  # relative; what single trials are known to, and so the spread of many
CHANCE = 4.0  # standard errors that another set of draws may be off


@dataclass
class Verification:
    """What :func:`verify` found.

    Parameters
    ----------
    problems : list of str
        What is wrong, one line each, naming row, column, both values and their difference; empty
        if the table is right.
    n_rows, n_batches : int
        Rows and batches of trials that were computed anew.
    largest : float
        Largest relative difference of a number computed anew.

    Examples
    --------
    >>> from cfisac.studies import Verification
    >>> found = Verification()
    >>> found.compare('row 1: peb_m', old=1.0, new=1.1, error=0.01)
    >>> print(found.problems[0])
    row 1: peb_m is 1.0, computed 1.1, off by -0.1 (9.09%), 10 standard errors: changed result
    """

    problems: list[str] = field(default_factory=list)
    n_rows: int = 0
    n_batches: int = 0
    largest: float = 0.0

    def compare(
        self, where: str, old: float, new: float, error: float = math.nan, rounding: float = 0.0
    ) -> None:
        """Compare a stored number with a computed one that has this standard error.

        Differences up to ``rounding`` are none.
        """
        same = abs(old - new) <= rounding or old == new or (math.isnan(old) and math.isnan(new))
        relative = 0.0 if same else abs(old / new - 1) if new and math.isfinite(new) else math.inf
        relative = math.inf if math.isnan(relative) else relative
        self.largest = max(self.largest, relative)
        if relative <= TOLERANCE:
            return
        kind, off = "changed result", abs(old - new) / error if error > 0 else math.nan
        if off < CHANCE:
            kind = "within Monte-Carlo error, but other draws or other digits"
        by = f"off by {old - new:.3g} ({relative:.2%})" if math.isfinite(relative) else "apart"
        by += "" if math.isnan(off) else f", {off:.2g} standard errors"
        self.problems.append(f"{where} is {old!r}, computed {new!r}, {by}: {kind}")


def verify(
    path: Path,
    n_rows: int | None = 3,
    rng: random.Random | None = None,
    *,
    n_batches: int | None = 1,
    share: tuple[int, int] = (1, 1),
    workers: int = 1,
    progress: bool = False,
) -> Verification:
    """Check a stored table against its provenance and against a new computation.

    Lines are compared with the digests taken when they were written. Those that differ, and
    ``n_rows`` others at random, are computed anew: their exact columns, their means from the
    stored moments of all their batches, and the moments of ``n_batches`` of these, at random, from
    the study's seed. So a mean over many slow trials is checked by a part of them.

    A number fails if it differs by more than 1e-6 of itself, a standard deviation only if it does
    by more than 1e-8 of the mean too: single trials are known to no more. If a mean does by less
    than four standard errors, the problem says so: that is not the stored digit, but the same
    result.

    Parameters
    ----------
    path : Path
        A table written by :func:`run`.
    n_rows : int or None
        How many rows to compute anew, at random; None for all.
    rng : random.Random, optional
        For the choice of rows and batches; by default a new one at each call.
    n_batches : int or None
        How many batches of each of these rows; None for all.
    share : tuple of int
        ``(k, n)``: rows k, k + n, k + 2 n ... alone, counted from 1. So n machines, or n kinds of
        machine, verify a table together.
    workers, progress
        As in :func:`cfisac.montecarlo.run`.

    Returns
    -------
    Verification
        What is wrong, what was computed anew, and how far apart the numbers were.

    Raises
    ------
    ValueError
        If a number is out of range, or ``share`` is no such pair.

    Examples
    --------
    >>> from cfisac import studies
    >>> path = studies.table_path(studies.get('fan_journal-table5'), 'paper')
    >>> found = studies.verify(path, n_rows=None)
    >>> found.problems, found.n_rows
    ([], 2)
    """
    for name, number in (("rows", n_rows), ("batches", n_batches)):
        if number is not None:
            _checks.count(name, number, least=0)
    if not isinstance(share, Sequence) or len(share) != 2:
        raise ValueError(f"share must be (k, n) with k <= n, got {share!r}")
    part, parts = (_checks.one("share", number, _checks.count) for number in share)
    if part > parts:
        raise ValueError(f"share must be (k, n) with k <= n, got {share!r}")
    provenance_path = path.with_suffix(".json")
    for each in (path, provenance_path):
        if not each.exists():
            return Verification([f"{each.name}: missing"])
    try:
        provenance = json.loads(provenance_path.read_bytes())
        study, fidelity = studies.get(provenance["study"]), provenance["fidelity"]
        declared = {"n_trials": study.n_trials[fidelity], "seed": study.seed}
        written = {name: provenance[name] for name in declared}
        digests = [str(digest) for digest in provenance["rows_sha256"]]
        moments = _read_moments(study, declared["n_trials"], provenance)
    except (ValueError, KeyError, TypeError) as error:
        return Verification([f"{provenance_path.name}: is no provenance of a table: {error!r}"])
    if path.name != table_path(study, fidelity, path.parent).name:
        return Verification(
            [f"{path.name}: its provenance is of {study.id} at fidelity {fidelity}"]
        )
    found = Verification()
    for name, value in declared.items():
        if written[name] != value:
            found.problems.append(
                f"{provenance_path.name}: {name} is {written[name]}, the study declares {value}"
            )
    lines = path.read_text("utf-8", errors="replace").splitlines()
    if len(lines) != len(digests) or len(lines) != len(study.cells) + 1:
        found.problems.append(
            f"{path.name}: has {len(lines) - 1} rows, its provenance {len(digests) - 1}, "
            f"the study {len(study.cells)}"
        )
        return found
    if digest(lines[0]) != digests[0]:
        found.problems.append(f"{path.name}: its header was changed: {lines[0]}")
        return found
    rng = rng or random.Random()
    mine = range(part - 1, len(study.cells), parts)
    damaged = [row for row in mine if digest(lines[row + 1]) != digests[row + 1]]
    others = [row for row in mine if row not in damaged]
    rows = sorted(damaged + _some(rng, others, n_rows))
    table = list(csv.reader(lines))
    bar = tqdm(rows, desc=path.stem, unit="row", disable=None if progress else True, leave=False)
    for row in bar:
        before = len(found.problems)
        new = study.row(row, declared["n_trials"], moments[row] if moments else [])
        kept = len(new) if study.measured else None  # what only a run measures stands last
        where = f"{path.name} row {row + 1}:"
        _compare_row(found, where, table[0][:kept], table[row + 1][:kept], new)
        if row in damaged and len(found.problems) == before:
            found.problems.append(
                f"{path.name} row {row + 1}: its text was changed, its numbers were not"
            )
    found.n_rows = len(rows)
    if study.trial is not None:
        edges = montecarlo.batches(declared["n_trials"])
        numbers = range(len(edges))
        tasks = [(row, number) for row in rows for number in _some(rng, numbers, n_batches)]
        fresh = montecarlo.moments(
            study.trial, study.cells, declared["n_trials"], study.seed, tasks,
            workers=workers, progress=progress,
        )  # fmt: skip
        for row, number in tasks:
            where = f"{path.name} row {row + 1}, batch {number + 1} of {len(edges)}:"
            size = edges[number][1] - edges[number][0]
            _compare_batch(found, where, moments[row][number], fresh[row, number], size)
        found.n_batches = len(tasks)
    return found


def _some(rng: random.Random, of: Sequence[int], number: int | None) -> list[int]:
    return list(of) if number is None else sorted(rng.sample(of, min(number, len(of))))


def _read_moments(
    study: Study, n_trials: int, provenance: Mapping[str, Any]
) -> list[list[montecarlo.Moments]]:
    """Batches of each row as written; ``ValueError`` if they are not what the study has."""
    names = [str(name) for name in provenance["simulated"]]
    batches = [[[float(x) for x in batch] for batch in row] for row in provenance["batches"]]
    if study.trial is None:
        return []
    shapes = {(len(row), len(batch)) for row in batches for batch in row}
    expected = {(len(montecarlo.batches(n_trials)), 2 * len(names))}
    if not names or len(batches) != len(study.cells) or shapes != expected:
        raise ValueError("its batches are not those of the study")
    return [
        [dict(zip(names, zip(batch[::2], batch[1::2], strict=True), strict=True)) for batch in row]
        for row in batches
    ]


def _compare_row(
    found: Verification, where: str, columns: Sequence[str], cells: Sequence[str], new: Row
) -> None:
    """Compare a stored row, as text, with a newly computed one."""
    if len(cells) != len(columns) or list(columns) != [str(column) for column in new]:
        found.problems.append(
            f"{where} has {len(cells)} cells under {len(columns)} columns, computed {len(new)}"
        )
        return
    for (column, value), text in zip(new.items(), cells, strict=True):
        old = _number(text)
        if isinstance(value, str) or old is None:
            if text != value:
                found.problems.append(f"{where} {column} is {text!r}, computed {value!r}")
        else:
            error = new.get(f"{column}_se", math.nan)
            found.compare(f"{where} {column}", old, float(value), error)


def _compare_batch(
    found: Verification, where: str, old: montecarlo.Moments, new: montecarlo.Moments, size: int
) -> None:
    """Compare means and standard deviations of one batch of ``size`` trials."""
    if list(new) != list(old):
        found.problems.append(f"{where} has {', '.join(old)}, computed {', '.join(new)}")
        return
    for name, (mean, squares) in new.items():
        deviation = math.sqrt(squares / (size - 1)) if size > 1 else math.nan
        found.compare(f"{where} {name}", old[name][0], mean, deviation / math.sqrt(size))
        if size > 1:
            before = math.sqrt(old[name][1] / (size - 1))
            error = deviation / math.sqrt(2 * (size - 1))
            found.compare(
                f"{where} standard deviation of {name}", before, deviation, error,
                VALUES * abs(mean),
            )  # fmt: skip


def _number(text: str) -> float | None:
    """Read a number of a table, in which nothing stands for nan; None if it is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return None
