"""Where access points should stand, and how many antennas each should have (liu (16)-(30)).

Four access points may each move within a disc, and share a number of antennas, so that the worst
of many moving targets is located best. :class:`Problem` is liu's (P0), :func:`admm` its
Algorithm 2, printed or mended. :func:`direct` solves the same problem in epigraph form with exact
gradients, :func:`search` does so from every valley that the antennas have, :func:`integers` rounds
by scoring every composition, and :func:`kkt_residual` judges any answer.
"""

from cfisac.designs._placement_admm import REPAIRS, admm
from cfisac.designs._placement_bound import Criterion, JointBound
from cfisac.designs._placement_direct import compositions, direct, integers, scores, search
from cfisac.designs._placement_problem import (
    Placement,
    Problem,
    kkt_residual,
    spread_targets,
)

__all__ = [
    "REPAIRS",
    "Criterion",
    "JointBound",
    "Placement",
    "Problem",
    "admm",
    "compositions",
    "direct",
    "integers",
    "kkt_residual",
    "scores",
    "search",
    "spread_targets",
]
