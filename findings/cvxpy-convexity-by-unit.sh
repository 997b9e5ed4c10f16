#!/usr/bin/env bash
# Whether CVXPY refuses a program that is not convex depends on the unit of its numbers.
#
# Guess: w^T R w >= g with a positive definite R is refused as not convex (DCPError) whatever the
# unit of R and g, as no scale makes the set convex.
# Seen (CVXPY 1.9.3, Clarabel 0.11.1): the check of definiteness allows eigenvalues down to an
# absolute 1e-10 or so. With R and g of 1e-10 the program is refused; of 1e-11, a usual channel gain
# in watts, R counts as negative semidefinite as well, the constraint passes as concave, and the
# solver, whose tolerance is absolute too, returns w = 0 with the status "optimal": 100 % short of g.
# problem.constraints[0].value() then says True, as it allows an absolute 1e-8. The complex trace of
# an inverse is another silent answer: tr_inv takes a Hermitian matrix and drops its imaginary part.
# What a wrapper does about it: it refuses constants whose largest entry is not of usual size, and
# feasibility is judged outside, relative.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cvxpy==1.9.3 clarabel==0.11.1 2>pip.log || { cat pip.log; exit 1; }

cat >unit.py <<'PY'
import cvxpy as cp
import numpy as np

SHAPE = np.array([[2.0, 0.5], [0.5, 1.0]])


def answer(unit):
    """Status, share of g that is reached, and what the constraint says of itself."""
    w = cp.Variable(2)
    wanted = cp.quad_form(w, unit * SHAPE) >= unit
    problem = cp.Problem(cp.Minimize(cp.sum_squares(w)), [wanted])
    try:
        problem.solve(solver="CLARABEL")
    except cp.error.DCPError:
        return "DCPError", None, None
    return problem.status, round(float(w.value @ SHAPE @ w.value), 6), bool(wanted.value())


for unit in (1.0, 1e-6, 1e-10):
    print(f"unit {unit:g}: {answer(unit)}")
    assert answer(unit)[0] == "DCPError"
print(f"unit 1e-11: {answer(1e-11)}")
assert answer(1e-11) == ("optimal", 0.0, True)

hermitian = np.array([[2.0, 1.0j], [-1.0j, 3.0]])
said, true = float(cp.tr_inv(hermitian).value), float(np.trace(np.linalg.inv(hermitian)).real)
print(f"trace of the inverse: tr_inv {said:.4f}, NumPy {true:.4f}")
assert abs(true - 1) < 1e-12 and abs(said - 5 / 6) < 1e-12  # 5/6 = 1/2 + 1/3, without the off-diagonal
PY
venv/bin/python unit.py
