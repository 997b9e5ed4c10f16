"""fan_conf (24)-(28) as printed: the cones, the quadratic transform, and what they share."""

import cvxpy as cp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from power_scenes import in_space, network, scene_coefficients, some_power

from cfisac.designs import Infeasible, SolverError
from cfisac.designs._power_chosen import choose
from cfisac.designs._power_conic import step
from cfisac.designs._power_printed import _information, _located
from cfisac.designs._solve import solve
from cfisac.designs.power import (
    coefficients,
    max_min_sinr,
    quadratic_transform,
    spectral_efficiency,
)
from cfisac.waveforms import OFDM, OTFS

# ----------------------------------------------------------------------------------------- cones


def test_the_trace_of_the_inverse_is_a_second_order_cone():
    """Squares of both sides differ by 4 (det F - tr F), so the cone is det F >= tr F, tr F >= 2."""
    first, second, beside = sp.symbols("F11 F22 F12", real=True)
    left = 4 + (first - second) ** 2 + 4 * beside**2
    right = (first + second - 2) ** 2
    matrix = sp.Matrix([[first, beside], [beside, second]])
    assert sp.expand(right - left - 4 * (matrix.det() - matrix.trace())) == 0
    assert sp.simplify(matrix.inv().trace() - matrix.trace() / matrix.det()) == 0


numbers = st.floats(-5, 5)


@given(st.lists(numbers, min_size=4, max_size=4))
def test_the_cone_says_what_the_trace_of_the_inverse_says(entries):
    root = np.array(entries).reshape(2, 2)
    matrix = root @ root.T + 1e-3 * np.eye(2)
    inverse = float(np.trace(np.linalg.inv(matrix)))
    if abs(inverse - 1) < 1e-9:
        return
    first, second, beside = matrix[0, 0], matrix[1, 1], matrix[0, 1]
    inside = np.linalg.norm([2, first - second, 2 * beside]) <= first + second - 2
    assert inside == (inverse <= 1)


@given(st.lists(numbers, min_size=9, max_size=9), st.lists(numbers, min_size=9, max_size=9))
def test_the_price_of_information_is_no_dearer_than_it_says(first, second):
    """<Q, F> >= (Tr sqrt(Q))^2 if Tr F^-1 <= 1, and equal at F = Tr sqrt(Q) Q^1/2."""
    price, matrix = (np.array(each).reshape(3, 3) for each in (first, second))
    price, matrix = price @ price.T + 1e-3 * np.eye(3), matrix @ matrix.T + 1e-3 * np.eye(3)
    matrix *= np.trace(np.linalg.inv(matrix))
    values, vectors = np.linalg.eigh(price)
    asked = np.sqrt(values).sum() ** 2
    assert np.trace(price @ matrix) >= asked * (1 - 1e-9)
    best = np.sqrt(values).sum() * (vectors / np.sqrt(values)) @ vectors.T
    assert np.trace(np.linalg.inv(best)) == pytest.approx(1)
    assert np.trace(price @ best) == pytest.approx(asked)


def test_sympy_the_signal_of_two_access_points_is_concave():
    """The Hessian of (g sqrt(x) + h sqrt(y))^2 has a negative trace and no determinant."""
    g, h, x, y = sp.symbols("g h x y", positive=True)
    hessian = sp.hessian((g * sp.sqrt(x) + h * sp.sqrt(y)) ** 2, (x, y))
    assert sp.simplify(hessian.det()) == 0
    assert sp.simplify(hessian.trace() + g * h * (x**2 + y**2) / (2 * (x * y) ** 1.5)) == 0


@given(st.lists(st.floats(0.01, 5), min_size=12, max_size=12), st.floats(0, 1))
def test_the_signal_of_any_number_of_access_points_is_concave(values, share):
    gain, first, second = np.array(values).reshape(3, 4)

    def signal(power):
        return np.sum(gain * np.sqrt(power)) ** 2

    between = signal(share * first + (1 - share) * second)
    assert between >= (share * signal(first) + (1 - share) * signal(second)) * (1 - 1e-12)


def test_the_power_of_a_beam_is_the_trace_of_its_covariance():
    """Independent symbols on random beams, 40 000 draws: the mean power is sum eta tr B."""
    rng, n = np.random.default_rng(5), 40_000
    each, drawn = scene_coefficients(), network()
    power = some_power(each, np.ones(8, bool))[0]
    sent = np.zeros((n, 8), dtype=complex)
    for eta, beam in zip(power, drawn.scene.beams[0], strict=True):
        root = np.linalg.cholesky(beam + 1e-12 * np.eye(8))
        vectors, symbols = rng.normal(scale=np.sqrt(0.5), size=(2, n, 8)), rng.choice([-1, 1], n)
        sent += np.sqrt(eta) * symbols[:, None] * ((vectors[0] + 1j * vectors[1]) @ root.T)
    total = np.sum(np.abs(sent) ** 2, axis=1)
    assert abs(total.mean() - power.sum()) < 5 * total.std() / np.sqrt(n)


# ----------------------------------------------------------------------------- the same optimum


@pytest.mark.parametrize("bound", ["exact", "approximate"])
@pytest.mark.parametrize("seed", [1, 2])
def test_direct_and_readable_form_reach_the_same_optimum(seed, bound):
    each, drawn = scene_coefficients(seed), network(seed)
    limit = 0.6 * each.crlb(some_power(each, drawn.sends), drawn.hears, bound)
    roles = drawn.sends, drawn.hears
    direct = max_min_sinr(each, limit, *roles, bound=bound, tolerance=1e-7)
    printed = quadratic_transform(each, limit, *roles, bound=bound, tolerance=1e-9)
    assert printed.value == pytest.approx(direct.value, rel=1e-6)
    assert printed.upper_bound >= direct.value * (1 - 1e-9)
    assert printed.gap < 1e-5
    assert np.all(np.diff(printed.trace) > -1e-7)  # z never falls
    assert np.all(each.crlb(printed.power, drawn.hears, bound) <= limit * (1 + 1e-8))


@pytest.mark.parametrize("bound", ["exact", "approximate"])
def test_one_step_in_cvxpy_and_by_clarabel_is_the_same_program(bound):
    """max delta with S_q - t D_q >= delta n_q; CVXPY's geometric means give the signal."""
    each, drawn = scene_coefficients(), network()
    limit = 0.6 * each.crlb(some_power(each, drawn.sends), drawn.hears, bound)
    chosen = choose(each, limit, drawn.sends, drawn.hears, bound)
    share = np.full((chosen.shape[0], each.n_beams), 1 / each.n_beams)
    target = 0.9 * max_min_sinr(each, limit, drawn.sends, drawn.hears, bound=bound).value
    norm = target * chosen.disturbance(share)
    eta, delta = cp.Variable(share.shape, nonneg=True), cp.Variable()
    efim, spreads = _information(chosen, eta)
    constraints = [cp.sum(eta, axis=1) <= 1, *spreads]
    constraints += [row for one in efim for row in _located(one)]
    for q in range(3):
        power, z = eta[:, each.n_targets + q], cp.Variable()
        u = cp.Variable(len(share))
        constraints += [cp.quad_over_lin(u[p], power[p]) <= z for p in range(len(share))]
        met = 1 + cp.sum(cp.multiply(chosen.interference[:, q], eta))
        constraints += [chosen.gain[:, q] @ u >= z, z - target * met >= delta * norm[q]]
    wanted = solve(cp.Problem(cp.Maximize(delta), constraints), "step")
    found = step(chosen, target, share)
    reached = chosen.signal(found.share) - target * chosen.disturbance(found.share)
    assert np.min(reached / norm) == pytest.approx(wanted, abs=1e-6)


def test_in_space_both_forms_agree():
    scene, channels, estimates = in_space()
    each = coefficients(scene, channels, estimates)
    sends = np.array([True, True, True, True, False, False])
    limit = 0.8 * each.crlb(some_power(each, sends), ~sends)
    direct = max_min_sinr(each, limit, sends, ~sends)
    printed = quadratic_transform(each, limit, sends, ~sends, tolerance=1e-8)
    assert printed.value == pytest.approx(direct.value, rel=2e-6)
    assert printed.gap < 1e-3  # its prices: F is not brought to the size of I, as it is there
    with pytest.raises(ValueError, match="bound must be 'approximate'"):
        quadratic_transform(each, limit, sends, ~sends, bound="exact")


def test_the_start_of_the_quadratic_transform_does_not_matter():
    from cfisac.designs._power_printed import steps

    each, drawn = scene_coefficients(), network()
    limit = 0.6 * each.crlb(some_power(each, drawn.sends), drawn.hears)
    chosen = choose(each, limit, drawn.sends, drawn.hears, "approximate")
    rng, ends = np.random.default_rng(8), []
    for _ in range(3):
        start = rng.dirichlet(np.ones(each.n_beams), chosen.shape[0])
        share, _, _ = steps(chosen, start, 1e-9, 200)
        ends.append(np.min(chosen.signal(share) / chosen.disturbance(share)))
    np.testing.assert_allclose(ends, ends[0], rtol=1e-6)


def test_the_auxiliary_variable_28_is_the_best_one():
    y, signal, disturbance = sp.symbols("y S D", positive=True)
    z = 2 * y * sp.sqrt(signal) - y**2 * disturbance
    (best,) = sp.solve(sp.diff(z, y), y)
    assert sp.simplify(best - sp.sqrt(signal) / disturbance) == 0
    assert sp.simplify(z.subs(y, best) - signal / disturbance) == 0


def test_what_the_quadratic_transform_cannot_do_it_says():
    each, drawn = scene_coefficients(), network()
    roles = drawn.sends, drawn.hears
    with pytest.raises(Infeasible, match="can be located to"):
        quadratic_transform(each, 1e-6, *roles)
    with pytest.raises(SolverError, match="z still changes after 2 steps"):
        quadratic_transform(each, np.inf, *roles, max_steps=2, tolerance=1e-9)
    with pytest.raises(ValueError, match="max_steps must be"):
        quadratic_transform(each, np.inf, *roles, max_steps=0)
    with pytest.raises(ValueError, match="tolerance must be > 0"):
        quadratic_transform(each, np.inf, *roles, tolerance=-1.0)


# ------------------------------------------------------------------------------------- waveforms


def test_pre_logs_of_table_5():
    otfs, ofdm = OTFS(128, 128, 500e3), OFDM(128, 128, 500e3, 2e-6)
    ratio = spectral_efficiency(7.0, otfs, 128) / spectral_efficiency(7.0, ofdm)
    assert ratio == pytest.approx(2 * 128 / 129)
    with pytest.raises(ValueError, match="cp_samples must be given"):
        spectral_efficiency(7.0, otfs)
    with pytest.raises(ValueError, match="sinr must be >= 0"):
        spectral_efficiency(-1.0, ofdm)
