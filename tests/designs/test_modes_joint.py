"""The joint algorithm of fan_journal: its inequalities by SymPy, its steps, and where they end."""

import numpy as np
import pytest
import sympy as sp
from modes_scenes import PEB, draw

from cfisac.designs import _modes_step, modes
from cfisac.designs._modes_program import network
from cfisac.designs._power_cones import Rows
from cfisac.designs._solve import solve
from cfisac.limits import multistatic
from cfisac.studies._modes_plain import transcription

LIMIT = PEB[8] ** 2
SMALL = {"n_aps": 5, "n_users": 3, "n_targets": 1, "n_antennas": 8}


# ------------------------------------------------------------------------------- inequalities


def test_information_with_modes_is_that_of_the_paths():
    """(42): a_p (1 - a_r) eta_pt times the information of each path, for whole modes."""
    drawn, each = draw(0)
    sends = np.arange(8) < 5
    power = np.random.default_rng(1).random((8, 12)) * sends[:, None]
    efim = np.einsum("p,r,pt,prtij->tij", sends * 1.0, ~sends * 1.0, power[:, :2], each.information)
    np.testing.assert_allclose(each.efim(power, ~sends), efim, rtol=1e-12)
    paths = multistatic.paths(drawn.scene, power, "approximate").each()
    np.testing.assert_allclose(paths[:, ~sends].sum(axis=(0, 1)), efim, rtol=1e-9)


def test_squares_lie_above_their_tangents():
    """(44), and (48) with its equality at x / y = x0 / y0."""
    x, x0 = sp.symbols("x x_0", real=True)
    y, y0 = sp.symbols("y y_0", positive=True)
    assert sp.factor(x**2 - x0 * (2 * x - x0)) == (x - x0) ** 2
    left = x**2 / y - x0 / y0 * (2 * x - x0 / y0 * y)
    assert sp.simplify(left - (x / y - x0 / y0) ** 2 * y) == 0


def test_the_convex_form_of_the_sinr_is_exact_at_its_best_kappa():
    """(50): kappa (2 x - kappa z) is largest at kappa = x / z, where it is x^2 / z."""
    x, z, kappa = sp.symbols("x z kappa", positive=True)
    form = kappa * (2 * x - kappa * z)
    (best,) = sp.solve(sp.diff(form, kappa), kappa)
    assert sp.simplify(best - x / z) == 0
    assert sp.simplify(form.subs(kappa, best) - x**2 / z) == 0
    assert sp.simplify(sp.diff(form, kappa, 2) + 2 * z) == 0


def test_taylor_expansions_lie_on_either_side():
    """(51): the remainders change their sign, so the bound on sensing may be missed."""
    a, b, eta, a0, b0, eta0 = sp.symbols("a b eta a_0 b_0 eta_0", real=True)
    first = a0 * eta + eta0 * a - a0 * eta0
    assert sp.factor(a * eta - first) == (a - a0) * (eta - eta0)
    product = a * b * eta
    second = sum(
        (each - each0) * sp.diff(product, each).subs({a: a0, b: b0, eta: eta0})
        for each, each0 in ((a, a0), (b, b0), (eta, eta0))
    ) + product.subs({a: a0, b: b0, eta: eta0})
    left = (product - second).subs({a0: 0.5, b0: 0.5, eta0: 0.5})
    assert left.subs({a: 1, b: 1, eta: 1}) > 0 > left.subs({a: 0, b: 1, eta: 1})
    # All send with what is far from the point, and nobody listens: yet there is information.
    whole = {a0: 0.7, b0: 0.7, eta0: 0.1, a: 1, b: 1, eta: 0.5}
    assert (first - second).subs(whole) > 0.02


def test_the_terms_of_a_step_are_the_taylor_expansion():
    """Against numerical derivatives of F_t, at the point and next to it."""
    net = network(draw(0)[1], LIMIT)
    rng = np.random.default_rng(3)
    eta, a = rng.random((8, 12)) / 12, rng.random(8)
    point = _modes_step.Point(a, eta, 1.0, 0.0)
    sensing, send = np.arange(16).reshape(8, 2), 16 + np.arange(8)
    terms, _ = _modes_step._taylor(Rows(), net, point, sensing, send, 24)

    def linear(power, modes_):
        total = np.zeros((3, 2))
        x = np.concatenate([power.ravel(), modes_])
        for weight, column in terms:
            if column is None:
                total += weight
            elif column.ndim == 1:
                total += np.einsum("ctp,p->ct", weight, x[column])
            else:
                total += np.einsum("ctp,pt->ct", weight, x[column])
        return total

    def true(power, modes_):
        both = modes_[:, None] * (1 - modes_)
        efim = np.einsum("pr,pt,prtij->tij", both, power, net.information)
        return _modes_step._parts(efim)

    power = eta[:, 10:]
    np.testing.assert_allclose(linear(power, a), true(power, a), rtol=1e-12)
    direction = rng.normal(size=(8, 2)), rng.normal(size=8)
    step = 1e-5
    plus, minus = (
        true(power + sign * step * direction[0], a + sign * step * direction[1]) for sign in (1, -1)
    )
    slope = (plus - minus) / (2 * step)
    moved = linear(power + direction[0], a + direction[1]) - linear(power, a)
    np.testing.assert_allclose(moved, slope, rtol=1e-6, atol=1e-6 * np.abs(slope).max())


def test_the_matrix_inequality_is_the_bound_on_the_trace():
    """(54): [[F, I], [I, W]] >= 0 with Tr W <= 1 holds for some W exactly if Tr F^-1 <= 1."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        square = rng.normal(size=(2, 2))
        efim = square @ square.T + 0.1 * np.eye(2)
        efim *= np.trace(np.linalg.inv(efim)) * rng.choice([0.9, 1.1])
        inverse = np.linalg.inv(efim)
        block = np.block([[efim, np.eye(2)], [np.eye(2), inverse]])
        assert np.linalg.eigvalsh(block).min() >= -1e-9  # W = F^-1 is the least W
        slightly = np.block([[efim, np.eye(2)], [np.eye(2), inverse * (1 - 1e-3)]])
        assert np.linalg.eigvalsh(slightly).min() < 0


# --------------------------------------------------------------------------------------- steps


@pytest.mark.parametrize("inner", [False, True])
def test_a_step_is_its_transcription(inner):
    net = network(draw(5, **SMALL)[1], 1.0)
    point = _modes_step.first_point(net, 0.8)
    for _ in range(3):
        after = _modes_step.step(net, point, 1.0, inner)
        problem, a = transcription(net, point, 1.0, inner)
        solve(problem, "step")
        np.testing.assert_allclose(after.send, a.value, atol=2e-3)
        point = after


def test_inner_steps_keep_the_bound_and_rise():
    """Once the slack is gone: F_t with relaxed modes holds, and the objective never falls."""
    for seed in (0, 5):
        _, each = draw(seed)
        found = modes.joint(each, LIMIT, form="inner")
        kept = np.flatnonzero(found.error <= 1e-6)
        assert len(kept)
        assert np.all(found.error[kept[0] :] <= 1e-5)
        rise = np.diff(found.objective[kept[0] :])
        assert np.all(rise >= -1e-4 * np.abs(found.objective[kept[0] : -1]) - 1e-6)


def test_printed_steps_may_miss_the_bound():
    """The example of the chapter: iterates that claim a bound that is not there."""
    _, each = draw(0)
    assert modes.joint(each, LIMIT).error.max() > 1.0


def test_the_penalty_does_not_make_all_modes_whole():
    """One access point keeps a share between: rounding is needed."""
    _, each = draw(1, n_aps=16)
    found = modes.joint(each, PEB[16] ** 2)
    assert found.binary_gap[-1] > 0.1
    assert 0.1 < np.sort(found.relaxed * (1 - found.relaxed))[-1] <= 0.25
