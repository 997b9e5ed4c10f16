"""Published figures and tables as declared experiments: list them, run them, verify them.

A study is a list of cells (one per row of its table), a trial that
:func:`cfisac.montecarlo.run` averages, and the numbers of trials that each fidelity asks for.
Its table is stored as ``<id>.csv`` beside ``<id>.json``, which says how it was made.
"""

import csv
import hashlib
import json
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

import cfisac
from cfisac import _book, _checks, montecarlo

FIDELITIES = ("smoke", "book", "paper")
TOLERANCE = 1e-8  # relative; other machines round the last digits otherwise

RESULTS = _book.FOLDER / "results"
# Installed without the book around it, cfisac keeps new tables where it is called from.
NEW_RESULTS = RESULTS if _book.CHECKOUT else Path("results")


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

    def rows(self, n_trials: int, only: Sequence[int] | None = None, **how: Any) -> pd.DataFrame:
        """Compute the table, or the rows ``only`` of it; ``how`` goes to the engine."""
        chosen = range(len(self.cells)) if only is None else only
        averages: Sequence[Mapping[str, float]] = [{}] * len(chosen)
        if self.trial is not None:
            averages = montecarlo.run(
                self.trial, self.cells, n_trials, self.seed, only=list(chosen), **how
            )
        rows = []
        for index, average in zip(chosen, averages, strict=True):
            cell = self.cells[index]
            rows.append({**cell, **average, **(self.known(**cell) if self.known else {})})
        return pd.DataFrame(rows, index=pd.Index(chosen))


def all_studies() -> dict[str, Study]:
    """Every declared study by its id."""
    from cfisac.studies import commit, fan, liu, maps, zhang

    modules = (zhang, fan, liu, commit, maps)
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
    table = study.rows(
        n_trials, workers=workers, scheduler=scheduler, journal=journal, progress=progress
    )
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
    }
    _replace(path, text)
    _replace(path.with_suffix(".json"), json.dumps(provenance, indent=1, ensure_ascii=False) + "\n")
    journal.unlink(missing_ok=True)
    return path


def verify(path: Path, n_rows: int = 3, rng: random.Random | None = None) -> list[str]:
    """Check a stored table against its provenance and against a new computation.

    Every line is compared with the digest taken when it was written; lines that differ, and
    ``n_rows`` others at random, are computed anew from the study's seed.

    Parameters
    ----------
    path : Path
        A table written by :func:`run`.
    n_rows : int
        How many rows to compute anew, at random.
    rng : random.Random, optional
        For the choice of rows; by default a new one at each call.

    Returns
    -------
    list of str
        What is wrong, one line each, naming row, column, both values and their difference.
        Empty if the table is right.

    Raises
    ------
    ValueError
        If ``n_rows`` is negative.
    """
    _checks.count("rows", n_rows, least=0)
    provenance_path = path.with_suffix(".json")
    for each in (path, provenance_path):
        if not each.exists():
            return [f"{each.name}: missing"]
    try:
        provenance = json.loads(provenance_path.read_bytes())
        study, fidelity = get(provenance["study"]), provenance["fidelity"]
        declared = {"n_trials": study.n_trials[fidelity], "seed": study.seed}
        written = {name: provenance[name] for name in declared}
        digests = [str(digest) for digest in provenance["rows_sha256"]]
    except (ValueError, KeyError, TypeError) as error:
        return [f"{provenance_path.name}: is no provenance of a table: {error!r}"]
    if path.name != table_path(study, fidelity, path.parent).name:
        return [f"{path.name}: its provenance is of {study.id} at fidelity {fidelity}"]
    problems = [
        f"{provenance_path.name}: {name} is {written[name]}, the study declares {value}"
        for name, value in declared.items()
        if written[name] != value
    ]
    lines = path.read_text("utf-8", errors="replace").splitlines()
    if len(lines) != len(digests) or len(lines) != len(study.cells) + 1:
        return [
            *problems,
            f"{path.name}: has {len(lines) - 1} rows, its provenance {len(digests) - 1}, "
            f"the study {len(study.cells)}",
        ]
    if _digest(lines[0]) != digests[0]:
        return [*problems, f"{path.name}: its header was changed: {lines[0]}"]
    every = range(len(study.cells))
    damaged = [row for row in every if _digest(lines[row + 1]) != digests[row + 1]]
    others = [row for row in every if row not in damaged]
    chosen = (rng or random.Random()).sample(others, min(n_rows, len(others)))
    rows = sorted(damaged + chosen)
    table = list(csv.reader(lines))
    fresh = study.rows(declared["n_trials"], rows).to_dict("records")
    for row, new in zip(rows, fresh, strict=True):
        differences = _differences(table[0], table[row + 1], new)
        if row in damaged and not differences:
            differences = ["its text was changed, its numbers were not"]
        problems += [f"{path.name} row {row + 1}: {difference}" for difference in differences]
    return problems


def _differences(
    columns: Sequence[str], cells: Sequence[str], fresh: Mapping[Any, Any]
) -> list[str]:
    """Say how a stored row, as text, differs from a newly computed one."""
    if len(cells) != len(columns) or list(columns) != [str(column) for column in fresh]:
        return [f"has {len(cells)} cells under {len(columns)} columns, computed {len(fresh)}"]
    differences = []
    for (column, new), text in zip(fresh.items(), cells, strict=True):
        old = _number(text)
        if isinstance(new, str) or old is None:
            if text != new:
                differences.append(f"{column} is {text!r}, computed {new!r}")
        elif not np.isclose(old, new, rtol=TOLERANCE, atol=0, equal_nan=True):
            by = f"off by {old - new:.3g} ({abs(old / new - 1):.2%})" if new else "not 0"
            differences.append(f"{column} is {old!r}, computed {new!r}, {by}")
    return differences


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
