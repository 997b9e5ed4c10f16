#!/usr/bin/env bash
# CVXPY solves with Clarabel at the tolerances of the call before, not at the default ones.
#
# Guess: the settings of problem.solve(...) hold for that call; a plain problem.solve() after it uses
# the defaults again, whatever the solver.
# Seen (CVXPY 1.9.3): so it is with SCS 3.2 and OSQP 1.1, but not with Clarabel 0.11.1. There the
# solver object of the first call is kept with its settings, and a later call without settings does
# not put them back: after one rough look at tolerance 0.1, a plain solve() of the same problem
# returns the rough answer, "optimal", off in the second digit. What is named again is put right;
# so does warm_start=False, which makes a new solver.
# What a wrapper does about it: it passes all tolerances every time.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cvxpy==1.9.3 clarabel==0.11.1 scs==3.2.11 osqp==1.1.1 2>pip.log || { cat pip.log; exit 1; }

cat >kept.py <<'PY'
import cvxpy as cp
import numpy as np

ROUGH = {
    "CLARABEL": {"tol_gap_abs": 0.1, "tol_gap_rel": 0.1, "tol_feas": 0.1},
    "SCS": {"eps_abs": 0.1, "eps_rel": 0.1},
    "OSQP": {"eps_abs": 0.1, "eps_rel": 0.1},
}
FINE = {"tol_gap_abs": 1e-8, "tol_gap_rel": 1e-8, "tol_feas": 1e-8}
rng = np.random.default_rng(3)
rows, right = rng.normal(size=(40, 20)), rng.normal(size=40)


def program():
    x = cp.Variable(20)
    return x, cp.Problem(cp.Minimize(cp.sum_squares(rows @ x - right)), [cp.norm1(x) <= 0.7])


x, problem = program()
problem.solve(solver="CLARABEL")
exact = x.value.copy()


def off(solver, *calls):
    x, problem = program()
    for settings in calls:
        problem.solve(solver=solver, **settings)
        assert problem.status == "optimal"
    return float(np.abs(x.value - exact).max())


kept = {name: off(name, rough, {}) for name, rough in ROUGH.items()}
named = off("CLARABEL", ROUGH["CLARABEL"], FINE)
cold = off("CLARABEL", ROUGH["CLARABEL"], {"warm_start": False})
for name, value in kept.items():
    print(f"{name}: rough, then plain: off by {value:.1e}")
print(f"CLARABEL: rough, then tolerances named: {named:.1e}; rough, then warm_start=False: {cold:.1e}")
assert kept["CLARABEL"] > 1e-3, "Clarabel's defaults come back now"
assert kept["SCS"] < 1e-3 and kept["OSQP"] < 1e-3, "another solver keeps them too"
assert named < 1e-5 and cold < 1e-5
PY
venv/bin/python kept.py
