"""Seeded, resumable, parallel Monte Carlo: the same numbers whatever the machine does.

An experiment is a list of *cells* (sets of parameters) and a *trial*, a function
``trial(rng, **cell) -> {name: value}``. Trial t of cell c always draws from the child
``SeedSequence(seed, spawn_key=(c, t))``, the batches in which trials are worked on do not
depend on the number of workers, and within a batch the linear algebra has one thread, because
its roundings depend on how many there are. So neither workers nor order nor an interruption
changes a digit.
"""

import hashlib
import inspect
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from cfisac import _checks, _journal, _parallel

Cell = Mapping[str, Any]
Trial = Callable[..., Mapping[str, float]]
Moments = _journal.Moments  # name: mean, sum of squared deviations
_Journal = _journal.Journal
one_thread = _parallel.one_thread


@dataclass(frozen=True)
class Estimate:
    """A mean over draws, with its standard error and their number.

    ``format(estimate, ".2f")`` gives ``1.54 ± 0.03 (n = 32)``, for figures, prose and tables.

    Examples
    --------
    >>> from cfisac.montecarlo import Estimate
    >>> f'{Estimate(1.5379, 0.0312, 32):.2f}'
    '1.54 ± 0.03 (n = 32)'
    """

    mean: float
    standard_error: float
    n: int

    def __format__(self, layout: str) -> str:
        """Mean and standard error in the given layout, and n."""
        return f"{self.mean:{layout}} ± {self.standard_error:{layout}} (n = {self.n})"

    def __str__(self) -> str:
        return format(self, ".3g")


def estimate(draws: ArrayLike) -> Estimate:
    """Mean of independent draws of one number, and how far chance may have moved it.

    Parameters
    ----------
    draws : array_like of float
        At least two finite numbers, independent of each other; the shape does not matter.

    Returns
    -------
    Estimate
        Mean, standard error ``s / sqrt(n)`` with ``s^2 = sum (x - mean)^2 / (n - 1)``, and n.

    Raises
    ------
    ValueError
        If there are fewer than two draws or one is not finite.

    Examples
    --------
    >>> from cfisac.montecarlo import estimate
    >>> print(estimate([1.0, 2.0, 3.0, 4.0]))
    2.5 ± 0.645 (n = 4)
    """
    values = _checks.finite("draws", draws).ravel()
    if values.size < 2:
        raise ValueError(f"draws must hold two numbers or more, got {values.size}")
    error = values.std(ddof=1) / math.sqrt(values.size)
    return Estimate(float(values.mean()), float(error), values.size)


MAX_BATCHES = 32  # per cell; bounds what is kept, however many trials there are


def run(
    trial: Trial,
    cells: Sequence[Cell],
    n_trials: int,
    seed: int,
    *,
    only: Sequence[int] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    journal: Path | None = None,
    progress: bool = False,
) -> list[dict[str, float]]:
    """Average ``n_trials`` trials of every cell.

    Parameters
    ----------
    trial : callable
        ``trial(rng, **cell)`` returns named numbers; the same names for every trial of a cell.
        It must be a function of a module, so that other processes can import it, and may use
        no randomness but the ``numpy.random.Generator`` it is given.
    cells : sequence of mappings
        Keyword arguments of the trial.
    n_trials : int
        Trials per cell, >= 2 (one has no standard error).
    seed : int
        Entropy of all draws, >= 0.
    only : sequence of int, optional
        Indices of the cells to run; the others are left out of the answer. Cells keep their
        draws.
    workers : int
        Processes of this machine, >= 1. Ignored with a scheduler.
    scheduler : str, optional
        Address of a running Dask scheduler, such as ``tcp://head-node:8786``; it must be able
        to import what the trial needs. Needs the extra ``cluster``.
    journal : Path, optional
        File that finished batches are written to at once. If it exists and belongs to the same
        experiment (trial, cells, seed, number of trials, code of the trial's module and of this
        package), its batches are not run again; another one is set aside as ``<name>.old``, with
        a warning. The caller removes it.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    list of dict
        For each cell, in order: ``name`` (mean over trials) and ``name_se`` (its standard
        error) for every named number.

    Raises
    ------
    ValueError
        If an argument is out of range, the scheduler does not answer, or another run has the
        journal open.

    Examples
    --------
    >>> from cfisac import montecarlo
    >>> def trial(rng, mean):
    ...     return {'square': rng.normal(mean) ** 2}
    >>> for row in montecarlo.run(trial, [{'mean': 0}, {'mean': 3}], n_trials=2000, seed=1):
    ...     print(f"{row['square']:.1f} ± {row['square_se']:.2f}")
    1.0 ± 0.03
    10.1 ± 0.14
    """
    _checks.count("n_trials", n_trials, least=2)
    chosen = list(range(len(cells))) if only is None else list(only)
    if not all(0 <= index < len(cells) for index in chosen):
        raise ValueError(f"only must hold indices in 0..{len(cells) - 1}, got {chosen}")
    numbers = range(len(batches(n_trials)))
    tasks = [(cell, number) for cell in chosen for number in numbers]
    done = moments(
        trial, cells, n_trials, seed, tasks,
        workers=workers, scheduler=scheduler, journal=journal, progress=progress,
    )  # fmt: skip
    return [summary(n_trials, [done[cell, number] for number in numbers]) for cell in chosen]


def moments(
    trial: Trial,
    cells: Sequence[Cell],
    n_trials: int,
    seed: int,
    tasks: Sequence[tuple[int, int]],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    journal: Path | None = None,
    progress: bool = False,
) -> dict[tuple[int, int], Moments]:
    """Work on some batches of some cells, and return the moments of each.

    Parameters
    ----------
    trial, cells, n_trials, seed, workers, scheduler, journal, progress
        As in :func:`run`.
    tasks : sequence of (int, int)
        Index of a cell and number of a batch, as in :func:`batches`.

    Returns
    -------
    dict
        For each task, ``{name: (mean, sum of squared deviations)}`` over the trials of the batch.

    Raises
    ------
    ValueError
        As in :func:`run`.

    Examples
    --------
    >>> from cfisac import montecarlo
    >>> def trial(rng, mean):
    ...     return {'x': rng.normal(mean)}
    >>> found = montecarlo.moments(trial, [{'mean': 0}], 64, seed=1, tasks=[(0, 0), (0, 3)])
    >>> list(found), list(found[0, 3])
    ([(0, 0), (0, 3)], ['x'])
    """
    _checks.count("n_trials", n_trials, least=2)
    _checks.count("seed", seed, least=0)
    _checks.count("workers", workers)
    edges = batches(n_trials)
    wanted = [(cell, edges[number]) for cell, number in tasks]
    with ExitStack() as stack:
        stack.enter_context(_parallel.backend(workers, scheduler))
        stack.enter_context(one_thread)  # found once; the batches of this process are inside
        experiment = _fingerprint(trial, cells, n_trials, seed)
        book = stack.enter_context(
            _Journal(journal, experiment, len(cells), edges, _journal.as_moments)
        )
        bar = stack.enter_context(
            tqdm(
                total=sum(stop - start for _, (start, stop) in wanted), unit="trial",
                unit_scale=True, disable=None if progress else True, file=sys.stderr,
            )
        )  # fmt: skip
        bar.update(sum(task[1][1] - task[1][0] for task in wanted if task in book.done))
        pending = [task for task in wanted if task not in book.done]
        for cell, batch, moment in _work(trial, cells, seed, pending):
            book.add(cell, batch, moment)
            bar.update(batch[1] - batch[0])
        return {(cell, number): book.done[cell, edges[number]] for cell, number in tasks}


def each(
    function: Callable[..., Mapping[str, Any]],
    cells: Sequence[Cell],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    journal: Path | None = None,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Call ``function(**cell)`` once for each cell: what needs no draws, or draws of its own.

    Parameters
    ----------
    function : callable
        Returns numbers and words by name.
    cells, workers, scheduler, journal, progress
        As in :func:`run`; a run that was stopped goes on with the next cell.

    Returns
    -------
    list of dict
        In the order of the cells.

    Raises
    ------
    ValueError
        As in :func:`run`.

    Examples
    --------
    >>> from cfisac import montecarlo
    >>> montecarlo.each(lambda x: {'square': x**2}, [{'x': 2}, {'x': 3}])
    [{'square': 4}, {'square': 9}]
    """
    _checks.count("workers", workers)
    whole = (0, 1)
    with ExitStack() as stack:
        stack.enter_context(_parallel.backend(workers, scheduler))
        stack.enter_context(one_thread)
        experiment = _fingerprint(function, cells, 1, 0)
        book = stack.enter_context(_Journal(journal, experiment, len(cells), [whole], dict))
        bar = stack.enter_context(
            tqdm(
                total=len(cells), initial=len(book.done), unit="row",
                disable=None if progress else True, file=sys.stderr,
            )
        )  # fmt: skip
        pending = [number for number in range(len(cells)) if (number, whole) not in book.done]
        if pending:
            from joblib import Parallel, delayed

            parallel = stack.enter_context(Parallel(return_as="generator_unordered", batch_size=1))
            tasks = (delayed(_row)(function, cells[number], number) for number in pending)
            for number, row in parallel(tasks):
                book.add(number, whole, row)
                bar.update()
        return [book.done[number, whole] for number in range(len(cells))]


def _row(
    function: Callable[..., Mapping[str, Any]], cell: Cell, number: int
) -> tuple[int, dict[str, Any]]:
    with one_thread:
        found = function(**cell)
    # As JSON keeps them, so that a run that was stopped gives the same as one that was not.
    plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in found.items()}
    return number, plain


def batches(n_trials: int) -> list[tuple[int, int]]:
    """Split the trials of a cell into at most MAX_BATCHES runs, from their number alone.

    Examples
    --------
    >>> from cfisac import montecarlo
    >>> montecarlo.batches(3)
    [(0, 1), (1, 2), (2, 3)]
    >>> len(montecarlo.batches(1000))
    32
    """
    edges = np.linspace(0, n_trials, min(n_trials, MAX_BATCHES) + 1).round().astype(int)
    return list(pairwise(edges.tolist()))


def _work(
    trial: Trial, cells: Sequence[Cell], seed: int, tasks: Sequence[tuple[int, tuple[int, int]]]
) -> Iterator[tuple[int, tuple[int, int], Moments]]:
    """Yield each batch as it is finished; the order is the machine's, the numbers are not."""
    from joblib import Parallel, delayed  # here, or every command would wait for it

    # One at a time: joblib would group quick ones, and a group that is stopped is lost as a whole.
    with Parallel(return_as="generator_unordered", batch_size=1) as parallel:
        yield from parallel(
            delayed(_batch)(trial, cells[cell], seed, cell, batch) for cell, batch in tasks
        )


def _batch(
    trial: Trial, cell: Cell, seed: int, index: int, batch: tuple[int, int]
) -> tuple[int, tuple[int, int], Moments]:
    """Run trials ``batch[0] .. batch[1] - 1`` of one cell, keeping only running moments."""
    # Until it has seen a large block freed, glibc returns a trial's memory to the system after
    # every trial, and getting it back page by page takes a third of the time.
    np.empty(24 * 2**20, dtype=np.uint8)
    kept: Moments = {}
    with one_thread:
        for number in range(*batch):
            sequence = np.random.SeedSequence(seed, spawn_key=(index, number))
            values = trial(np.random.default_rng(sequence), **cell)
            n_before = number - batch[0]
            kept = {
                name: _merge(kept.get(name, (0.0, 0.0)), n_before, (float(value), 0.0), 1)
                for name, value in values.items()
            }
    return index, batch, kept


def _merge(
    one: tuple[float, float], n_one: int, two: tuple[float, float], n_two: int
) -> tuple[float, float]:
    """Mean and sum of squared deviations of two groups taken together."""
    if n_one == 0:
        return two
    if not (math.isfinite(one[0]) and math.isfinite(two[0])):
        return one[0] + two[0], math.nan  # an infinite trial makes the mean infinite
    total, step = n_one + n_two, two[0] - one[0]
    return one[0] + step * n_two / total, one[1] + two[1] + step**2 * n_one * n_two / total


def summary(n_trials: int, of_batches: Sequence[Moments]) -> dict[str, float]:
    """Mean and standard error, ``name`` and ``name_se``, from the moments of all batches.

    Examples
    --------
    >>> from cfisac import montecarlo
    >>> montecarlo.summary(2, [{'x': (1.0, 0.0)}, {'x': (3.0, 0.0)}])
    {'x': 2.0, 'x_se': 1.0}
    """
    merged: Moments = {}
    for (start, stop), batch in zip(batches(n_trials), of_batches, strict=True):
        for name, moment in batch.items():
            merged[name] = _merge(merged.get(name, (0.0, 0.0)), start, moment, stop - start)
    row = {}
    for name, (mean, squares) in merged.items():
        row[name] = mean
        row[f"{name}_se"] = math.sqrt(squares / (n_trials * (n_trials - 1)))
    return row


def _fingerprint(trial: Trial, cells: Sequence[Cell], n_trials: int, seed: int) -> str:
    """Name the experiment: a journal of other cells, seeds or code is of no use."""
    name = getattr(trial, "__qualname__", repr(trial))
    text = json.dumps([name, [dict(cell) for cell in cells], n_trials, seed], default=repr)
    digest = hashlib.sha256(text.encode())
    code = getattr(inspect.unwrap(trial), "__code__", None)
    own = Path(code.co_filename) if code is not None else Path()
    if own.is_file():
        digest.update(own.read_bytes())
    elif code is not None:  # typed into a notebook
        digest.update(code.co_code + repr(code.co_names).encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
