"""What the bounds are for: designs as the sources print them, and their certified optima.

One module for each chapter under ``book/designs``. Every number goes to a solver through one door,
and comes back as an optimum or as an error.
"""

from cfisac.designs._solve import Infeasible, SolverError

__all__ = ["Infeasible", "SolverError"]
