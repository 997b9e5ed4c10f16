"""Published figures and tables as declared experiments: list them, run them, verify them.

A study is a list of cells (one per row of its table), a trial that
:func:`cfisac.montecarlo.run` averages, and the numbers of trials that each fidelity asks for.
Its table is stored as ``<id>.csv`` beside ``<id>.json``, which says how it was made and keeps
the moments of each batch of trials, so that any batch can be worked on again alone.
"""

import csv
import hashlib
import json
import math
import os
import platform
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

import cfisac
from cfisac import _book, _checks, montecarlo

FIDELITIES = ("smoke", "book", "paper")
TOLERANCE = 1e-6  # relative; other machines round otherwise, and no stored number feels more
CHANCE = 4.0  # standard errors that another set of draws may be off

RESULTS = _book.FOLDER / "results"
# Installed without the book around it, cfisac keeps new tables where it is called from.
NEW_RESULTS = RESULTS if _book.CHECKOUT else Path("results")


Row = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """A published figure or table as a declared experiment.

    Parameters
    ----------
    id : str
        Name on the command line and of the stored files.
    source : str
        The source whose claim it reruns.
    title : str
        One line that says what is computed.
    trial : callable or None
        ``trial(rng, **cell)``, see :func:`cfisac.montecarlo.run`; None if nothing is drawn and
        ``known`` says it all.
    cells : sequence of mappings
        Parameters of each row of the table.
    n_trials : mapping
        Trials per row for each fidelity: smoke (seconds), book (a minute), paper.
    seed : int
        Entropy of all draws.
    assumptions : mapping
        Parameters that the source leaves out, and what was assumed.
    known : callable, optional
        ``known(**cell)`` returns further columns that need no trial.
    """

    id: str
    source: str
    title: str
    trial: montecarlo.Trial | None
    cells: Sequence[montecarlo.Cell]
    n_trials: Mapping[str, int]
    seed: int
    assumptions: Mapping[str, str] = field(default_factory=dict)
    known: Callable[..., Mapping[str, float]] | None = None

    def row(self, index: int, n_trials: int, moments: Sequence[montecarlo.Moments]) -> Row:
        """One row of the table, from the moments of its batches (none if nothing is drawn)."""
        cell = self.cells[index]
        average = montecarlo.summary(n_trials, moments) if self.trial else {}
        with montecarlo.one_thread:
            known = self.known(**cell) if self.known else {}
        return {**cell, **average, **known}


def all_studies() -> dict[str, Study]:
    """Every declared study by its id."""
    from cfisac.studies import commit, fan, liu, maps, synchronisation, zhang

    modules = (zhang, fan, liu, commit, maps, synchronisation)
    return {study.id: study for module in modules for study in module.STUDIES}


def get(study_id: str) -> Study:
    """Return the study of that id; ``ValueError`` names the known ones."""
    known = all_studies()
    if study_id not in known:
        raise ValueError(f"study must be one of {', '.join(known)}; got {study_id!r}")
    return known[study_id]


def stored(study_id: str, results: Path | None = None) -> pd.DataFrame:
    """Return the stored table of paper fidelity.

    Parameters
    ----------
    study_id : str
        One of :func:`all_studies`.
    results : Path, optional
        Folder of the tables; by default ``book/results`` of the checkout that this package lies
        in, or the one that was installed with it.

    Raises
    ------
    ValueError
        If the study is unknown or has no stored table in the folder ``results``.
    """
    path = table_path(get(study_id), "paper", results)
    if not path.exists():
        raise ValueError(f"study {study_id!r} has no stored table {path}; run it first")
    return pd.read_csv(path)


def table_path(study: Study, fidelity: str, results: Path | None = None) -> Path:
    """Return where a table goes; only paper fidelity gets the plain name."""
    name = f"{study.id}.csv" if fidelity == "paper" else f"{study.id}.{fidelity}.csv"
    return (RESULTS if results is None else results) / name


def run(
    study_id: str,
    fidelity: str = "book",
    *,
    results: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool = False,
) -> Path:
    """Run a study, store its table and its provenance, and return the table's path.

    A run that was stopped left its finished batches in ``<id>….partial.jsonl``; the next run
    of the same study, fidelity and code goes on from there and gives the same bytes of the table
    (in its provenance, ``seconds`` are those of the last session).

    Parameters
    ----------
    study_id : str
        One of :func:`all_studies`.
    fidelity : {"smoke", "book", "paper"}
        How many trials.
    results : Path, optional
        Folder for the files; by default ``book/results`` of the checkout that this package lies
        in, or ``results`` in the working directory when it lies in none.
    workers, scheduler, progress
        As in :func:`cfisac.montecarlo.run`.

    Raises
    ------
    ValueError
        If the study, fidelity, number of workers or scheduler is not there, or the same study is
        being run into the same folder.
    """
    study = get(study_id)
    if fidelity not in FIDELITIES:
        raise ValueError(f"fidelity must be one of {', '.join(FIDELITIES)}; got {fidelity!r}")
    path = table_path(study, fidelity, NEW_RESULTS if results is None else results)
    journal = path.with_suffix(".partial.jsonl")
    start = time.perf_counter()
    n_trials = study.n_trials[fidelity]
    kept: list[list[montecarlo.Moments]] = [[] for _ in study.cells]
    if study.trial is not None:
        tasks = [
            (index, number)
            for index in range(len(study.cells))
            for number in range(len(montecarlo.batches(n_trials)))
        ]
        moments = montecarlo.moments(
            study.trial, study.cells, n_trials, study.seed, tasks,
            workers=workers, scheduler=scheduler, journal=journal, progress=progress,
        )  # fmt: skip
        for index, number in tasks:
            kept[index].append(moments[index, number])
    table = pd.DataFrame([study.row(index, n_trials, row) for index, row in enumerate(kept)])
    text = table.to_csv(index=False, float_format="%.12g", lineterminator="\n")
    provenance = {
        "study": study.id,
        "title": study.title,
        "source": study.source,
        "fidelity": fidelity,
        "n_trials": n_trials,
        "seed": study.seed,
        "assumptions": dict(study.assumptions),
        "cfisac": cfisac.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "seconds": round(time.perf_counter() - start, 1),
        "rows_sha256": [_digest(line) for line in text.splitlines()],
        "simulated": list(kept[0][0]) if study.trial else [],
    }
    _replace(path, text)
    _replace(path.with_suffix(".json"), _provenance_text(provenance, kept))
    journal.unlink(missing_ok=True)
    return path


def _provenance_text(
    provenance: Mapping[str, Any], kept: Sequence[Sequence[montecarlo.Moments]]
) -> str:
    """JSON with a line for each row's batches: mean and squares of each simulated column."""
    head = json.dumps(provenance, indent=1, ensure_ascii=False).removesuffix("\n}")
    rows = [
        [[float(f"{x:.12g}") for moment in batch.values() for x in moment] for batch in row]
        for row in kept
        if row
    ]
    lines = ",".join(f"\n{json.dumps(row)}" for row in rows)
    return f'{head},\n "batches": [{lines}]\n}}\n'


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
    """

    problems: list[str] = field(default_factory=list)
    n_rows: int = 0
    n_batches: int = 0
    largest: float = 0.0

    def compare(self, where: str, old: float, new: float, error: float = math.nan) -> None:
        """Compare a stored number with a computed one that has this standard error."""
        same = old == new or (math.isnan(old) and math.isnan(new))
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
    workers: int = 1,
    progress: bool = False,
) -> Verification:
    """Check a stored table against its provenance and against a new computation.

    Every line is compared with the digest taken when it was written. Lines that differ, and
    ``n_rows`` others at random, are computed anew: their exact columns, their means from the
    stored moments of all their batches, and the moments of ``n_batches`` of these, at random, from
    the study's seed. So a mean over many slow trials is checked by a part of them.

    A number fails if it differs by more than 1e-6 of itself. If a mean does by less than four
    standard errors, the problem says so: that is not the stored digit, but the same result.

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
    workers, progress
        As in :func:`cfisac.montecarlo.run`.

    Returns
    -------
    Verification
        What is wrong, what was computed anew, and how far apart the numbers were.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    for name, number in (("rows", n_rows), ("batches", n_batches)):
        if number is not None:
            _checks.count(name, number, least=0)
    provenance_path = path.with_suffix(".json")
    for each in (path, provenance_path):
        if not each.exists():
            return Verification([f"{each.name}: missing"])
    try:
        provenance = json.loads(provenance_path.read_bytes())
        study, fidelity = get(provenance["study"]), provenance["fidelity"]
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
    if _digest(lines[0]) != digests[0]:
        found.problems.append(f"{path.name}: its header was changed: {lines[0]}")
        return found
    rng = rng or random.Random()
    every = range(len(study.cells))
    damaged = [row for row in every if _digest(lines[row + 1]) != digests[row + 1]]
    others = [row for row in every if row not in damaged]
    rows = sorted(damaged + _some(rng, others, n_rows))
    table = list(csv.reader(lines))
    bar = tqdm(rows, desc=path.stem, unit="row", disable=None if progress else True, leave=False)
    for row in bar:
        before = len(found.problems)
        new = study.row(row, declared["n_trials"], moments[row] if moments else [])
        _compare_row(found, f"{path.name} row {row + 1}:", table[0], table[row + 1], new)
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
            found.compare(f"{where} standard deviation of {name}", before, deviation, error)


def _number(text: str) -> float | None:
    """Read a number of a table, in which nothing stands for nan; None if it is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return None


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:16]


def _replace(path: Path, text: str) -> None:
    """Write a file so that it is at no time half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(text)
    os.replace(new, path)
