"""Published figures and tables as declared experiments: list them, run them, verify them.

A study is a list of cells (one per row of its table), a trial that
:func:`cfisac.montecarlo.run` averages, and the numbers of trials that each fidelity asks for.
Its table is stored as ``<id>.csv`` beside ``<id>.json``, which says how it was made and keeps
the moments of each batch of trials, so that any batch can be worked on again alone.
"""

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cfisac
from cfisac import montecarlo
from cfisac.studies._show import first_rows, name_and_unit, picture
from cfisac.studies._study import FIDELITIES, NEW_RESULTS, RESULTS, Row, Study, table_path
from cfisac.studies._study import digest as _digest
from cfisac.studies._verify import CHANCE, TOLERANCE, Verification, verify

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHANCE",
    "FIDELITIES",
    "NEW_RESULTS",
    "RESULTS",
    "TOLERANCE",
    "Row",
    "Study",
    "Verification",
    "all_studies",
    "first_rows",
    "get",
    "name_and_unit",
    "picture",
    "run",
    "stored",
    "table_path",
    "verify",
]


def all_studies() -> dict[str, Study]:
    """Every declared study by its id.

    Examples
    --------
    >>> from cfisac import studies
    >>> list(studies.all_studies())[:2]
    ['zhang-fig2', 'zhang-fig3']
    """
    from cfisac.studies import (
        commit,
        fading,
        fan,
        joint,
        liu,
        maps,
        modes,
        pilot_data,
        pilots,
        placement,
        scaling,
        synchronisation,
        tensor,
        threshold,
        tradeoff,
        zhang,
    )

    modules = (
        zhang, fan, liu, commit, maps, synchronisation, threshold, fading, pilots, modes,
        placement, tradeoff, pilot_data, tensor, joint, scaling,
    )  # fmt: skip
    return {study.id: study for module in modules for study in module.STUDIES}


def get(study_id: str) -> Study:
    """Return the study of that id; ``ValueError`` names the known ones.

    Examples
    --------
    >>> from cfisac import studies
    >>> studies.get('zhang-fig2').source
    'zhang'
    """
    known = all_studies()
    if study_id not in known:
        raise ValueError(f"study must be one of {', '.join(known)}; got {study_id!r}")
    return known[study_id]


def stored(study_id: str, results: Path | None = None) -> "pd.DataFrame":
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

    Examples
    --------
    >>> from cfisac import studies
    >>> table = studies.stored('fan_journal-table5')[['waveform', 'prelog']]
    >>> print(table.round(3).to_string(index=False))
    waveform  prelog
        OFDM   0.500
        OTFS   0.992
    """
    path = table_path(get(study_id), "paper", results)
    if not path.exists():
        raise ValueError(f"study {study_id!r} has no stored table {path}; run it first")
    import pandas as pd  # here, or every command would wait for it

    return pd.read_csv(path)


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

    A run that was stopped left its finished batches and rows in ``<id>….partial.jsonl``; the next
    run of the same study, fidelity and code goes on from there and gives the same bytes of the
    table (in its provenance, ``seconds`` are those of the last session).

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

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from cfisac import studies
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(studies.run('fan_journal-table5', 'smoke', results=Path(folder)).name)
    fan_journal-table5.smoke.csv
    """
    import pandas as pd

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
    rows = path.with_suffix(".rows.partial.jsonl")
    beside: dict[str, Any] = {"workers": workers, "scheduler": scheduler}
    rest = montecarlo.each(
        study.computed, study.cells, journal=rows, progress=progress,
        **(beside if study.side_by_side else {}),
    )  # fmt: skip
    table = pd.DataFrame(
        [
            study.row(index, n_trials, moments, found)
            for index, (moments, found) in enumerate(zip(kept, rest, strict=True))
        ]
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
        "simulated": list(kept[0][0]) if study.trial else [],
    }
    _replace(path, text)
    _replace(path.with_suffix(".json"), _provenance_text(provenance, kept))
    journal.unlink(missing_ok=True)
    rows.unlink(missing_ok=True)
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


def _replace(path: Path, text: str) -> None:
    """Write a file so that it is at no time half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(text)
    os.replace(new, path)
