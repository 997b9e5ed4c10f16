"""What a study is, and where its table goes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cfisac import _book, montecarlo

FIDELITIES = ("smoke", "book", "paper")
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
    measured : callable, optional
        ``measured(**cell)`` returns columns that only ``run`` computes: seconds, and searches too
        long to repeat. They stand last, and ``verify`` checks that nobody changed them.
    side_by_side : bool
        Whether rows of ``known`` and ``measured`` may be worked on at the same time: not if they
        measure seconds, or share work that one process keeps.
    shows : str
        The column that a plain picture shows; by default the first computed one that varies.
    plot : callable, optional
        ``plot(study, table, figure)`` draws the table for :func:`cfisac.studies.picture`.

    Examples
    --------
    >>> from cfisac import studies
    >>> study = studies.get('zhang-fig2')
    >>> study.title
    'Mean angle CRLB against pilots and antennas (Fig. 2)'
    >>> study.cells[0], study.n_trials['smoke']
    ({'n_antennas': 4, 'n_pilots': 4}, 4)
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
    measured: Callable[..., Mapping[str, float | str]] | None = None
    side_by_side: bool = False
    shows: str = ""
    plot: Callable[..., None] | None = None

    def row(
        self,
        index: int,
        n_trials: int,
        moments: Sequence[montecarlo.Moments],
        rest: Row | None = None,
    ) -> Row:
        """One row of the table, from the moments of its batches (none if nothing is drawn).

        ``rest`` is what :meth:`computed` said of it, or else is found here, without what only
        ``run`` computes.
        """
        average = montecarlo.summary(n_trials, moments) if self.trial else {}
        cell = self.cells[index]
        return {**cell, **average, **(self.computed(False, **cell) if rest is None else rest)}

    def computed(self, measure: bool = True, /, **cell: Any) -> Row:
        """The columns of a row that need no trial; without ``measure``, none that is measured."""
        with montecarlo.one_thread:
            known = self.known(**cell) if self.known else {}
            measured = self.measured(**cell) if self.measured and measure else {}
        return {**known, **measured}


def table_path(study: Study, fidelity: str, results: Path | None = None) -> Path:
    """Return where a table goes; only paper fidelity gets the plain name.

    Examples
    --------
    >>> from cfisac import studies
    >>> studies.table_path(studies.get('zhang-fig2'), 'smoke').name
    'zhang-fig2.smoke.csv'
    """
    name = f"{study.id}.csv" if fidelity == "paper" else f"{study.id}.{fidelity}.csv"
    return (RESULTS if results is None else results) / name


def digest(line: str) -> str:
    """A short fingerprint of a line of a table."""
    return hashlib.sha256(line.encode()).hexdigest()[:16]
