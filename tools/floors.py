"""The floors of the house, lowest first: a module imports from below, and fails for what is below.

So failures are listed lowest floor first: the first one is the one to look at.
"""

from __future__ import annotations

import re

FLOORS = (
    "_book",
    "_checks",
    "arrays",
    "waveforms",
    "geometry",
    "propagation",
    "fisher",
    "paths",
    "scenarios",
    "signals",
    "limits",
    "estimators",
    "designs",
    "montecarlo",
    "plotting",
    "studies",
    "ledger",
    "cli",
)
# Tests of no single room: what the others stand on first, what the reader sees last.
OTHERS = {
    "oracle": -1,
    "waveform_factor": FLOORS.index("waveforms"),
    "rounding": FLOORS.index("limits"),
    "house": len(FLOORS),
    "names": len(FLOORS),
    "examples": len(FLOORS),
    "project": len(FLOORS) + 1,
    "benchmarks": len(FLOORS) + 1,
    "notebooks": len(FLOORS) + 2,
    "browser": len(FLOORS) + 3,
}


def floor(test: str) -> int:
    """The floor that a test stands on, from its path or its dotted name; what is unknown is last.

    ``tests/limits/test_angle_gain.py::test_x`` and ``tests.limits.test_angle_gain::test_x`` are
    tests of ``limits``.
    """
    places = re.split(r"[/.\\]", test.split("::")[0].removesuffix(".py").removesuffix(".ipynb"))
    for place in places[1:] if places[0] == "tests" else places:
        name = place.removeprefix("test_")
        for known in (name, f"_{name}"):
            if known in FLOORS:
                return FLOORS.index(known)
        if name in OTHERS:
            return OTHERS[name]
    return len(FLOORS) + 4
