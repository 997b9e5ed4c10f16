#!/usr/bin/env bash
# TensorLy's helpers for CP factors take complex ones without complaint, and are wrong about them.
#
# Guess: as parafac decomposes complex tensors, cp_permute_factors matches columns that are equal up
# to a phase, as it does up to a sign for real ones; and cp_flip_sign, which moves signs from one
# factor to another, leaves the tensor as it is.
# Seen (TensorLy 0.10.0, NumPy 2.4.6, SciPy 1.17.1): columns are compared by a^T b without the
# conjugate, so of 200 random complex decompositions (3 components of 6 x 7 x 8) whose columns were
# only reordered and turned, 78 are put in a wrong order; of 200 real ones, none. cp_flip_sign takes
# z / |z| for the sign of a complex number and multiplies both factors by it, where one would need
# the conjugate: the tensor changes by 143 % of its norm (median of 200), a real one not at all.
# Neither warns. And given a list of tensors, cp_permute_factors leaves its entries normalised: the
# caller's list is changed; a single tensor is not.
# What a user does about it: match components by |a^H b|, summed or multiplied over the factors, and
# scipy.optimize.linear_sum_assignment; move phases by hand.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install tensorly==0.10.0 numpy==2.4.6 scipy==1.17.1 2>pip.log || { cat pip.log; exit 1; }

cat >factors.py <<'PY'
import warnings

import numpy as np
from tensorly import cp_to_tensor
from tensorly.cp_tensor import CPTensor, cp_flip_sign, cp_permute_factors

warnings.simplefilter("error")
N, RANK, SHAPE = 200, 3, (6, 7, 8)


def draw(rng, is_complex):
    """Factors, and the same with columns in another order and turned, the tensor as it was."""
    factors, turned = [], []
    order, left = rng.permutation(RANK), np.ones(RANK)
    for mode, size in enumerate(SHAPE):
        factor = rng.normal(size=(size, RANK))
        turn = rng.choice([-1.0, 1.0], RANK)
        if is_complex:
            factor = factor + 1j * rng.normal(size=(size, RANK))
            turn = np.exp(2j * np.pi * rng.random(RANK))
        turn = np.conj(left) if mode == 2 else turn
        left = left * turn
        factors.append(factor)
        turned.append((factor * turn)[:, order])
    return factors, turned, order


def whole(factors):
    return cp_to_tensor((np.ones(RANK), factors))


def result(is_complex):
    """How many of N are put in a wrong order; median change of the tensor by a flip of signs."""
    wrong, changed = 0, []
    for seed in range(N):
        factors, turned, order = draw(np.random.default_rng(seed), is_complex)
        tensor = whole(factors)
        assert np.allclose(whole(turned), tensor)
        one, other = (CPTensor((np.ones(RANK), each)) for each in (factors, turned))
        _, found = cp_permute_factors(one, other)
        wrong += not np.array_equal(order[np.asarray(found[0])], np.arange(RANK))
        flipped = cp_flip_sign(CPTensor((np.ones(RANK), [each.copy() for each in factors])))
        change = np.linalg.norm(cp_to_tensor(flipped) - tensor) / np.linalg.norm(tensor)
        changed.append(change)
    return wrong, round(float(np.median(changed)), 2)


real, both = result(False), result(True)
print(f"real: {real[0]} of {N} in a wrong order, a flip changes the tensor by {real[1]:.0%}")
print(f"complex: {both[0]} of {N} in a wrong order, a flip changes the tensor by {both[1]:.0%}")
assert real == (0, 0.0) and both == (78, 1.43)

factors, turned, _ = draw(np.random.default_rng(1), False)
mine = [CPTensor((np.ones(RANK), turned)) for _ in range(2)]
cp_permute_factors(CPTensor((np.ones(RANK), factors)), mine)
print("weights in the caller's list after the call:", np.round(mine[0].weights, 1))
assert not np.allclose(mine[0].weights, 1)
PY
venv/bin/python factors.py
