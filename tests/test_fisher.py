"""Fisher information: brute force, invariances and edge cases."""

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from cfisac import _rounding, fisher
from cfisac.arrays import UniformLinearArray
from cfisac.limits import angle_gain

SEEDS = st.integers(0, 2**32 - 1)
TRUTH = np.array([0.7, -1.1, 0.3])  # Re gain, Im gain, angle


def complex_normal(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def random_fim(rng, n, *leading):
    """A well-conditioned FIM: many more observations than parameters."""
    columns = rng.normal(size=(*leading, 6 * n, n))
    return np.swapaxes(columns, -1, -2) @ columns


def echo(theta, n_antennas=6):
    """The noise-free observation of a half-wavelength array, written out."""
    steps = np.exp(1j * np.pi * np.arange(n_antennas) * np.sin(theta[2]))
    return (theta[0] + 1j * theta[1]) * steps / np.sqrt(n_antennas)


# -------------------------------------------------------------- what the information matrix is


def test_sympy_score_covariance_and_curvature_are_the_gaussian_formula():
    """zhang (6): both faces of the FIM are (2 / sigma^2) Re{D^H D}, for any mean function."""
    a, b, v = sp.symbols("a b sigma2", positive=True)
    n = sp.symbols("n_r n_i", real=True)
    x = sp.symbols("x_r x_i", real=True)
    mean = [sp.Function(name)(a, b) for name in ("u", "w")]
    log_likelihood = -sum((xk - mk) ** 2 for xk, mk in zip(x, mean, strict=True)) / v
    observed = {xk: mk + nk for xk, mk, nk in zip(x, mean, n, strict=True)}

    def expectation(expression):
        moments = {0: 1, 1: 0, 2: v / 2}  # each real part holds half of sigma^2
        terms = sp.Poly(sp.expand(expression.subs(observed).doit()), *n).terms()
        return sum(factor * moments[i] * moments[j] for (i, j), factor in terms)

    jacobian = sp.Matrix(mean).jacobian([a, b])
    formula = 2 / v * jacobian.T * jacobian  # Re{D^H D} with real and imaginary rows
    for i, p in enumerate((a, b)):
        assert sp.expand(expectation(sp.diff(log_likelihood, p))) == 0
        for j, q in enumerate((a, b)):
            outer = expectation(sp.diff(log_likelihood, p) * sp.diff(log_likelihood, q))
            curvature = -expectation(sp.diff(log_likelihood, p, q))
            assert sp.expand(outer - formula[i, j]) == 0
            assert sp.expand(curvature - formula[i, j]) == 0


def test_fim_is_the_covariance_of_the_score():
    """zhang (6) by Monte Carlo: scores by numerical differentiation of the log-likelihood."""
    n_trials, noise_variance = 40_000, 0.4
    rng = np.random.default_rng(20)
    noise = np.sqrt(noise_variance / 2) * complex_normal(rng, n_trials, 6)
    data = echo(TRUTH) + noise

    def log_likelihood(theta):
        return -np.sum(np.abs(data - echo(theta)) ** 2, axis=-1) / noise_variance

    scores = oracle.derivatives(log_likelihood, TRUTH, 1e-5, order=2)
    fim = fisher.gaussian_fim(oracle.derivatives(echo, TRUTH, 1e-5, order=2), noise_variance)
    power = np.diag(fim)
    # A product of jointly Gaussian s_i s_j has variance F_ii F_jj + F_ij^2; five sigmas.
    error = 5 * np.sqrt((np.outer(power, power) + fim**2) / n_trials)
    assert np.all(np.abs(scores.T @ scores / n_trials - fim) < error)
    assert np.all(np.abs(scores.mean(axis=0)) < 5 * np.sqrt(power / n_trials))


@given(
    gain=st.complex_numbers(min_magnitude=0.1, max_magnitude=10),
    phi=st.floats(-1.2, 1.2),
    noise_variance=st.floats(1e-3, 1e3),
)
def test_fim_is_the_curvature_of_the_expected_log_likelihood(gain, phi, noise_variance):
    """The expected log-likelihood is -|mu - mu_0|^2 / sigma^2; its Hessian by differences."""
    truth, step = np.array([gain.real, gain.imag, phi]), 1e-4

    def expected(theta):
        return -np.sum(np.abs(echo(theta) - echo(truth)) ** 2) / noise_variance

    moves = step * np.eye(3)
    hessian = np.array(
        [
            [
                expected(truth + p + q)
                - expected(truth + p - q)
                - expected(truth - p + q)
                + expected(truth - p - q)
                for q in moves
            ]
            for p in moves
        ]
    ) / (4 * step**2)
    fim = fisher.gaussian_fim(oracle.derivatives(echo, truth, 1e-5, order=2), noise_variance)
    np.testing.assert_allclose(-hessian, fim, rtol=1e-5, atol=1e-5 * fim.max())


def test_complex_noise_holds_half_its_variance_in_each_real_part():
    """The complex formula is the real one, D^T D / v, with v = sigma^2 / 2: no factor 2 is lost."""
    jacobian, noise_variance = complex_normal(np.random.default_rng(2), 5, 3), 0.8
    rows = np.concatenate([jacobian.real, jacobian.imag])
    real = rows.T @ rows / (noise_variance / 2)
    np.testing.assert_allclose(fisher.gaussian_fim(jacobian, noise_variance), real, rtol=1e-12)


@given(seed=SEEDS)
def test_independent_observations_add_and_separate_parameters_form_blocks(seed):
    rng = np.random.default_rng(seed)
    first, second = complex_normal(rng, 4, 3), complex_normal(rng, 7, 3)
    together = fisher.gaussian_fim(np.concatenate([first, second]), 0.5)
    apart = fisher.gaussian_fim(first, 0.5) + fisher.gaussian_fim(second, 0.5)
    np.testing.assert_allclose(together, apart, rtol=1e-12, atol=1e-12 * np.abs(apart).max())
    separate = np.zeros((11, 6), complex)
    separate[:4, :3], separate[4:, 3:] = first, second
    assert not np.any(fisher.gaussian_fim(separate, 0.5)[:3, 3:])


# ---------------------------------------------------------------------------------- nuisances


def test_sympy_schur_complement_is_the_block_of_the_inverse():
    """Two parameters of interest, two nuisances; a general symmetric matrix."""
    entries = iter(sp.symbols("f0:10"))
    fim = sp.zeros(4, 4)
    for i in range(4):
        for j in range(i, 4):
            fim[i, j] = fim[j, i] = next(entries)
    kept, coupling, nuisance = fim[:2, :2], fim[:2, 2:], fim[2:, 2:]
    schur = kept - coupling * nuisance.adjugate() * coupling.T / nuisance.det()
    block = fim.adjugate()[:2, :2] / fim.det()
    assert (schur * block).applyfunc(sp.cancel) == sp.eye(2)


@given(seed=SEEDS, n=st.integers(1, 6), n_keep=st.integers(1, 6))
def test_equivalent_fim_is_the_inverse_of_the_block_of_the_inverse(seed, n, n_keep):
    n_keep = min(n_keep, n)
    fim = random_fim(np.random.default_rng(seed), n, 2)
    expected = np.linalg.inv(np.linalg.inv(fim)[..., :n_keep, :n_keep])
    np.testing.assert_allclose(
        fisher.equivalent_fim(fim, n_keep), expected, rtol=1e-9, atol=1e-9 * fim.max()
    )


@given(seed=SEEDS, exponents=st.lists(st.floats(-8, 8), min_size=3, max_size=3))
def test_equivalent_fim_does_not_depend_on_the_units_of_the_nuisance(seed, exponents):
    fim = random_fim(np.random.default_rng(seed), 5)
    units = np.diag([1.0, 1.0, *(10.0**e for e in exponents)])
    np.testing.assert_allclose(
        fisher.equivalent_fim(units @ fim @ units, 2),
        fisher.equivalent_fim(fim, 2),
        rtol=1e-9,
        atol=1e-9 * fim.max(),
    )


@given(seed=SEEDS, n_keep=st.integers(1, 3), n_nuisance=st.integers(1, 4))
def test_equivalent_fim_is_a_projection_off_the_nuisance_columns(seed, n_keep, n_nuisance):
    """What is left of the kept columns after a least-squares fit by the nuisance columns."""
    rng = np.random.default_rng(seed)
    jacobian = complex_normal(rng, 12, n_keep + n_nuisance)
    rows = np.concatenate([jacobian.real, jacobian.imag])
    kept, nuisance = rows[:, :n_keep], rows[:, n_keep:]
    residual = kept - nuisance @ np.linalg.lstsq(nuisance, kept)[0]
    equivalent = fisher.equivalent_fim(fisher.gaussian_fim(jacobian, 0.3), n_keep)
    expected = residual.T @ residual / 0.15
    np.testing.assert_allclose(equivalent, expected, rtol=1e-9, atol=1e-9 * expected.max())


@given(seed=SEEDS)
def test_a_nuisance_never_adds_information(seed):
    fim = random_fim(np.random.default_rng(seed), 5)
    lost = fim[:2, :2] - fisher.equivalent_fim(fim, 2)
    assert np.linalg.eigvalsh(lost)[0] > -1e-12 * fim.max()


@pytest.mark.parametrize("spread", [np.pi, 0.3, 0.03])
def test_what_the_nuisance_hides_entirely_is_exactly_zero(spread):
    """Two ranges and an unknown clock never fix a position in the plane, whatever the rounding."""
    rng = np.random.default_rng(19)
    turn = rng.uniform(0, 2 * np.pi, (2000, 1)) + rng.uniform(-spread, spread, (2000, 2))
    slopes = np.stack([np.cos(turn), np.sin(turn), np.ones_like(turn)], axis=-1)
    slopes /= rng.uniform(0.1, 1, (2000, 2, 1))  # metres, a deviation for each range
    fim = fisher.gaussian_fim(slopes, 2.0)
    efim = fisher.equivalent_fim(fim, 2)
    assert np.all(np.isinf(fisher.position_error_bound(efim)))
    assert np.all(np.isinf(np.diagonal(fisher.crlb(fim), axis1=1, axis2=2)[:, :2]))
    along = np.linalg.norm(np.diff(slopes / slopes[..., 2:], axis=1)[:, 0], axis=-1)
    power = np.sum(along[:, None] ** 2 / np.sum(1 / slopes[..., 2] ** 2, axis=-1)[:, None], axis=1)
    np.testing.assert_allclose(np.trace(efim, axis1=1, axis2=2), power, rtol=1e-6)


@given(seed=SEEDS, exponent=st.floats(-5, 0), exact=st.booleans())
def test_an_equivalent_fim_is_one_that_the_package_accepts(seed, exponent, exact):
    """Nearly or entirely hidden by the nuisance: symmetric, and nowhere negative."""
    rng = np.random.default_rng(seed)
    nuisance = complex_normal(rng, 9, 2)
    hidden = nuisance @ rng.normal(size=(2, 3))
    columns = hidden + (0 if exact else 10.0**exponent) * complex_normal(rng, 9, 3)
    efim = fisher.equivalent_fim(
        fisher.gaussian_fim(np.concatenate([columns, nuisance], axis=1), 1.0), 3
    )
    assert np.array_equal(efim, efim.T)
    assert np.linalg.eigvalsh(efim)[0] >= -1e-14 * max(efim.max(), 1e-300)
    assert np.isinf(fisher.position_error_bound(efim)) == exact


@pytest.mark.parametrize("closeness", [1e-3, 1e-5, 1e-6])
def test_what_two_nearly_parallel_nuisances_hide_is_exactly_zero(closeness):
    """Their difference imitates the parameter; dividing by it magnifies the rounding."""
    for c, d, free in complex_normal(np.random.default_rng(10), 200, 3, 9):
        columns = np.stack([d, free, c, c + closeness * d], axis=1)
        efim = fisher.equivalent_fim(fisher.gaussian_fim(columns, 1.0), 2)
        assert fisher.position_error_bound(efim) == np.inf
        alone = fisher.equivalent_fim(fisher.gaussian_fim(columns[:, [1, 0, 2]], 1.0), 1)
        np.testing.assert_allclose(np.trace(efim), alone[0, 0], rtol=1e-2)


def test_an_equivalent_fim_does_not_depend_on_its_neighbours():
    """A matrix of which something is hidden changes no digit of the others."""
    fims = random_fim(np.random.default_rng(3), 4, 6)
    fims[2, 0], fims[2, :, 0] = fims[2, 3], fims[2, :, 3]  # the last one imitates the first
    fims[2, 0, 0] = fims[2, 3, 3]
    together = fisher.equivalent_fim(fims, 2)
    assert np.array_equal(together, [fisher.equivalent_fim(each, 2) for each in fims])
    assert np.isinf(fisher.position_error_bound(together)).tolist() == [False] * 2 + [True] + (
        [False] * 3
    )


@pytest.mark.parametrize("share", [1e-6, 1e-12])
def test_what_a_nuisance_leaves_above_the_rounding_is_kept(share):
    nuisance = np.array([1.0, 0.0])
    interest = np.array([1.0, np.sqrt(share)])
    fim = fisher.gaussian_fim(np.stack([interest, nuisance], axis=1), 2.0)
    assert fisher.equivalent_fim(fim, 1)[0, 0] == pytest.approx(share, rel=1e-3)


@pytest.mark.parametrize("function", [fisher.crlb, lambda fim: fisher.equivalent_fim(fim, 1)])
def test_a_fim_may_be_indefinite_by_a_rounding_of_1e_8_and_no_more(function):
    """Two parameters told apart by nothing but an error of the correlation."""
    bound = function([[1.0, 1 + 1e-9], [1 + 1e-9, 1.0]])
    assert bound[0, 0] in (0.0, np.inf)
    with pytest.raises(ValueError, match="fim must be positive semidefinite"):
        function([[1.0, 1 + 1e-7], [1 + 1e-7, 1.0]])


@pytest.mark.parametrize("function", [fisher.crlb, fisher.position_error_bound])
def test_a_fim_may_be_asymmetric_by_rounding(function):
    """By 1e-8 of its own two parameters, or by the rounding of the largest entry."""
    for fim in ([[1.0, 1e-9], [0.0, 1.0]], [[1.0, 1e-14], [0.0, 0.0]]):
        np.testing.assert_allclose(function(fim), function(np.diag(np.diag(fim))), atol=1e-8)


def test_a_number_of_parameters_may_be_a_numpy_integer():
    assert fisher.equivalent_fim(np.eye(3), np.int64(2)).shape == (2, 2)


def test_singular_nuisance_is_refused():
    with pytest.raises(ValueError, match="nuisance block"):
        fisher.equivalent_fim(np.zeros((3, 3)), n_keep=1)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_two_nuisances_seen_only_by_their_sum_are_refused_in_any_unit(unit):
    fim = np.array([[3.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    scale = np.diag([1.0, unit, 1.0])
    with pytest.raises(ValueError, match="nuisance block"):
        fisher.equivalent_fim(scale @ fim @ scale, n_keep=1)


# ---------------------------------------------------------------------------------- new names


@given(seed=SEEDS, n=st.integers(1, 5), k=st.integers(1, 5))
def test_change_parameters_is_the_chain_rule(seed, n, k):
    """D -> D J gives F -> J^T F J, also when there are fewer or more parameters than before."""
    rng = np.random.default_rng(seed)
    jacobian, change = complex_normal(rng, 2, 8, n), rng.normal(size=(n, k))
    direct = fisher.gaussian_fim(jacobian @ change, 0.7)
    changed = fisher.change_parameters(fisher.gaussian_fim(jacobian, 0.7), change)
    np.testing.assert_allclose(changed, direct, rtol=1e-10, atol=1e-10 * np.abs(direct).max())


@given(seed=SEEDS, n=st.integers(1, 5))
def test_a_bound_changes_with_its_parameters(seed, n):
    """For an invertible change the bound becomes J^{-1} C J^{-T}."""
    rng = np.random.default_rng(seed)
    fim, change = random_fim(rng, n), np.eye(n) + 0.2 * rng.uniform(-1, 1, (n, n)) / n
    back = np.linalg.inv(change)
    expected = back @ fisher.crlb(fim) @ back.T
    changed = fisher.crlb(fisher.change_parameters(fim, change))
    np.testing.assert_allclose(changed, expected, rtol=1e-9, atol=1e-9 * expected.max())


def test_gain_and_phase_or_real_and_imaginary_part_give_one_angle_bound():
    """The angle bound does not care how the nuisance is written."""
    fim = fisher.gaussian_fim(oracle.derivatives(echo, TRUTH, 1e-5, order=2), 0.4)
    gain = complex(*TRUTH[:2])
    change = np.eye(3)
    change[:2, :2] = [[gain.real / abs(gain), -gain.imag], [gain.imag / abs(gain), gain.real]]
    polar = fisher.change_parameters(fim, change)  # amplitude and phase
    np.testing.assert_allclose(fisher.crlb(polar)[2, 2], fisher.crlb(fim)[2, 2], rtol=1e-10)
    assert abs(polar[0, 2]) < 1e-9 * polar[2, 2]  # the amplitude does not hide the angle


# ------------------------------------------------------------------------------------- bounds


@given(seed=SEEDS, n=st.integers(1, 6))
def test_crlb_of_a_regular_matrix_is_its_inverse(seed, n):
    fim = random_fim(np.random.default_rng(seed), n, 2, 3)
    expected = np.linalg.inv(fim)
    np.testing.assert_allclose(fisher.crlb(fim), expected, rtol=1e-9, atol=1e-9 * expected.max())


@given(seed=SEEDS, exponents=st.lists(st.floats(-8, 8), min_size=4, max_size=4))
def test_crlb_does_not_lose_parameters_to_their_units(seed, exponents):
    fim = random_fim(np.random.default_rng(seed), 4)
    units = 10.0 ** np.array(exponents)
    scaled = fisher.crlb(fim * np.outer(units, units)) * np.outer(units, units)
    np.testing.assert_allclose(scaled, np.linalg.inv(fim), rtol=1e-9, atol=1e-9)


@given(
    seed=SEEDS, n=st.integers(2, 5), weights=st.lists(st.integers(-2, 2), min_size=4, max_size=4)
)
def test_crlb_is_inf_exactly_for_what_an_unseen_direction_moves(seed, n, weights):
    """The last column repeats a mixture of the others, so (weights, -1) is not seen.

    The rest keep the bound that they have when the redundant parameter is dropped.
    """
    rng, weights = np.random.default_rng(seed), np.array(weights[: n - 1], float)
    columns = complex_normal(rng, 6 * n, n - 1)
    jacobian = np.concatenate([columns, (columns @ weights)[:, None]], axis=1)
    bound = fisher.crlb(fisher.gaussian_fim(jacobian, 0.3))
    moved = np.append(weights != 0, True)
    assert np.array_equal(np.isinf(np.diag(bound)), moved)
    assert not np.any(bound[moved][:, ~moved])
    without = np.linalg.inv(fisher.gaussian_fim(columns, 0.3))
    kept = ~moved[:-1]
    np.testing.assert_allclose(
        bound[:-1, :-1][np.ix_(kept, kept)],
        without[np.ix_(kept, kept)],
        rtol=1e-9,
        atol=1e-9 * without.max(),
    )


@pytest.mark.parametrize("closeness", [1e-3, 1e-5, 1e-6])
def test_a_nearly_blind_direction_beside_a_blind_one_keeps_its_bounds(closeness):
    """Columns 1 and 2 are parallel; 3 and 4 are close to parallel, and identifiable."""
    rng = np.random.default_rng(7)
    for columns in complex_normal(rng, 50, 12, 3):
        c0, c2, c3 = columns.T
        jacobian = np.stack([c0, 0.7 * c0, c2, c2 + closeness * c3], axis=1)
        bound = np.diag(fisher.crlb(fisher.gaussian_fim(jacobian, 1.0)))
        assert np.array_equal(np.isinf(bound), [True, True, False, False])
        alone = np.linalg.inv(fisher.gaussian_fim(jacobian[:, 1:], 1.0))
        np.testing.assert_allclose(bound[2:], np.diag(alone)[1:], rtol=1e-2)


@pytest.mark.parametrize(
    ("share", "blind"), [(1e-5, True), (1e-6, True), (3e-7, True), (7e-8, False), (1e-9, False)]
)
def test_what_moves_a_parameter_less_than_1e_7_does_not(share, blind):
    """The cut-off of the docstring, from both sides: the third column is c1 + share c2."""
    c1, c2 = complex_normal(np.random.default_rng(8), 2, 12)
    bound = fisher.crlb(fisher.gaussian_fim(np.stack([c1, c2, c1 + share * c2], axis=1), 1.0))
    assert np.array_equal(np.isinf(np.diag(bound)), [True, blind, True])


@pytest.mark.parametrize(
    ("weak", "seen"), [(1e-13, True), (1e-14, True), (5e-15, False), (1e-16, False)]
)
def test_what_counts_as_seen(weak, seen):
    """The other cut-off: eight roundings for each of two parameters, of the largest, are 7e-15."""
    fim = np.array([[1.0, 1.0 - weak], [1.0 - weak, 1.0]])
    assert np.all(np.isfinite(np.diag(fisher.crlb(fim)))) == seen
    assert np.isfinite(fisher.position_error_bound(fim)) == seen


def test_two_parameters_seen_only_by_their_sum_are_not_identifiable():
    bound = fisher.crlb([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 4.0]])
    assert np.array_equal(bound, np.diag([np.inf, np.inf, 0.25]))


def test_crlb_broadcasts_over_regular_and_singular_matrices_alike():
    regular, singular = np.diag([1.0, 2.0]), np.diag([0.0, 4.0])
    bound = fisher.crlb(np.stack([[regular, singular], [singular, regular]]))
    assert bound.shape == (2, 2, 2, 2)
    expected = np.stack([np.diag([1.0, 0.5]), np.diag([np.inf, 0.25])])
    assert np.array_equal(bound, np.stack([expected, expected[::-1]]))


def test_no_data_no_bound():
    assert np.array_equal(fisher.crlb(np.zeros((2, 2))), np.diag([np.inf, np.inf]))


@pytest.mark.parametrize(
    ("gain", "phi", "n_antennas"), [(0.0, 0.3, 8), (1.0, np.pi / 2, 8), (1.0, 0.3, 1)]
)
def test_crlb_needs_a_gain_a_projection_and_two_antennas(gain, phi, n_antennas):
    """zhang (24) inverts the FIM: alpha = 0, cos phi = 0 or L = 1 each make it singular."""
    array = UniformLinearArray(n_antennas)
    fim = angle_gain.local_fim([gain, 0.8 - 0.6j], [phi, 0.2], UniformLinearArray(8), 16, 0.5)
    fim[0] = angle_gain.local_fim(gain, phi, array, 16, 0.5)
    assert np.linalg.matrix_rank(fim[0], hermitian=True) == 2
    bound = fisher.crlb(fim)
    assert np.array_equal(np.isinf(bound[0]), np.diag([False, False, True]))
    assert np.all(np.isfinite(bound[1]))


@given(seed=SEEDS, n=st.integers(1, 4))
def test_every_unbiased_linear_estimator_stays_above_the_crlb(seed, n):
    """zhang (24), (25): Cov >= F^{-1} and its trace, exactly, for y = D theta + w.

    Re{W y} with Re{W D} = I is unbiased and has covariance sigma^2 / 2 Re{W W^H}. Least squares
    attains the bound; any other W lies above it.
    """
    rng, noise_variance = np.random.default_rng(seed), 0.6
    jacobian = complex_normal(rng, 9, n)
    rows = np.concatenate([jacobian.real, jacobian.imag])
    best = np.linalg.pinv(rows)
    free = rng.normal(size=(n, 18))
    other = best + free - free @ rows @ best  # still unbiased
    np.testing.assert_allclose(other @ rows, np.eye(n), atol=1e-9)

    bound = fisher.crlb(fisher.gaussian_fim(jacobian, noise_variance))
    attained, above = (noise_variance / 2 * w @ w.T for w in (best, other))
    np.testing.assert_allclose(attained, bound, rtol=1e-9, atol=1e-9 * bound.max())
    assert np.linalg.eigvalsh(above - bound)[0] > -1e-9 * above.max()
    assert np.trace(above) > np.trace(bound)


def test_least_squares_attains_the_crlb_in_simulation():
    """zhang (25) by Monte Carlo; the variance of a sample variance is 2 / n of its square."""
    n_trials, noise_variance, rng = 40_000, 0.6, np.random.default_rng(24)
    jacobian = complex_normal(rng, 9, 3)
    rows = np.concatenate([jacobian.real, jacobian.imag])
    noise = np.sqrt(noise_variance / 2) * rng.normal(size=(n_trials, 18))
    errors = noise @ np.linalg.pinv(rows).T
    bound = np.diag(fisher.crlb(fisher.gaussian_fim(jacobian, noise_variance)))
    np.testing.assert_allclose(
        np.mean(errors**2, axis=0) / bound, 1, atol=5 * np.sqrt(2 / n_trials)
    )


# ------------------------------------------------------------- position error and trace bounds


def test_one_bearing_alone_cannot_fix_a_position():
    assert fisher.position_error_bound(np.diag([4.0, 0.0])) == np.inf


@given(seed=SEEDS, turn=st.floats(-np.pi, np.pi))
def test_position_error_bound_does_not_depend_on_where_north_is(seed, turn):
    efim = random_fim(np.random.default_rng(seed), 2, 3)
    c, s = np.cos(turn), np.sin(turn)
    rotation = np.array([[c, -s], [s, c]])
    peb = fisher.position_error_bound(efim)
    np.testing.assert_allclose(
        fisher.position_error_bound(rotation @ efim @ rotation.T), peb, rtol=1e-9
    )
    np.testing.assert_allclose(
        peb, np.sqrt(np.trace(np.linalg.inv(efim), axis1=-2, axis2=-1)), rtol=1e-9
    )


@given(seed=SEEDS, n=st.integers(1, 3), rank=st.integers(0, 3))
def test_more_information_never_raises_the_position_error_bound(seed, n, rank):
    rng = np.random.default_rng(seed)
    before, more = random_fim(rng, n), rng.normal(size=(n, rank))
    after = fisher.position_error_bound(before + more @ more.T)
    assert after <= fisher.position_error_bound(before) * (1 + 1e-12)


def test_a_second_bearing_makes_the_position_error_bound_finite():
    bearings = np.array([[1.0, 1.0], [1.0, -1.0]])
    alone = bearings[:, :, None] * bearings[:, None, :]
    assert np.array_equal(fisher.position_error_bound(alone), [np.inf, np.inf])
    assert fisher.position_error_bound(alone.sum(axis=0)) == pytest.approx(1.0, rel=1e-12)


def test_sympy_gap_of_the_trace_product_is_a_sum_of_squares():
    """zhang (27), for one access point: sum l * sum 1/l - 9 = sum (l_i - l_j)^2 / (l_i l_j)."""
    values = sp.symbols("l1:4", positive=True)
    gap = sum(values) * sum(1 / v for v in values) - 9
    squares = sum((p - q) ** 2 / (p * q) for i, p in enumerate(values) for q in values[:i])
    assert sp.simplify(gap - squares) == 0


@given(seed=SEEDS, n=st.integers(1, 12), spread=st.floats(0, 1.5))
def test_sum_of_eigenvalues_times_sum_of_inverses_is_at_least_n_squared(seed, n, spread):
    """zhang (27), of a FIM whose parameters are seen unequally well; equal if equally well."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-spread, spread, n)
    fim = fisher.gaussian_fim(sizes * complex_normal(rng, 3 * n, n), 0.3)
    values = np.linalg.eigvalsh(fim)
    product = np.sum(values) * np.sum(1 / values)
    assert product >= n**2 * (1 - 1e-12)
    np.testing.assert_allclose(np.trace(fim) * np.trace(fisher.crlb(fim)), product, rtol=1e-6)
    equal = np.linalg.eigvalsh(fisher.gaussian_fim(sizes[0] * np.eye(n + 2, n), 0.3))
    assert np.sum(equal) * np.sum(1 / equal) == pytest.approx(n**2, rel=1e-12)


@given(
    gains=st.lists(
        st.complex_numbers(min_magnitude=0.05, max_magnitude=20), min_size=1, max_size=4
    ),
    phi=st.floats(-1.3, 1.3),
    n_antennas=st.integers(2, 32),
    n_pilots=st.integers(1, 64),
)
def test_trace_of_the_inverse_is_at_least_9_m_squared_over_the_trace(
    gains, phi, n_antennas, n_pilots
):
    """zhang (26), (28), (29) for M access points."""
    n_aps = len(gains)
    local = angle_gain.local_fim(gains, phi, UniformLinearArray(n_antennas), n_pilots, 1.0)
    fim = np.zeros((3 * n_aps, 3 * n_aps))
    for m in range(n_aps):
        fim[3 * m : 3 * m + 3, 3 * m : 3 * m + 3] = local[m]
    eigenvalues = np.linalg.eigvalsh(fim)
    inverse_trace = np.trace(fisher.crlb(fim))
    np.testing.assert_allclose(np.trace(fim), eigenvalues.sum(), rtol=1e-9)
    np.testing.assert_allclose(inverse_trace, np.sum(1 / eigenvalues), rtol=1e-6)
    assert inverse_trace >= 9 * n_aps**2 / np.trace(fim) * (1 - 1e-12)


def test_trace_bound_is_tight_only_when_all_eigenvalues_agree():
    """zhang (28)."""
    assert np.trace(fisher.crlb(5 * np.eye(3))) == pytest.approx(9 / np.trace(5 * np.eye(3)))
    assert np.trace(fisher.crlb(np.diag([5.0, 5.0, 6.0]))) > 9 / 16


def test_trace_bound_depends_on_the_unit_of_the_angle():
    """zhang (28) adds gain and radians: the unit of the angle decides how loose it is."""
    fim = angle_gain.local_fim(1.0, 0.3, UniformLinearArray(8), 16, 1.0)

    def looseness(unit):
        scaled = fisher.change_parameters(fim, np.diag([1.0, 1.0, unit]))
        bound = fisher.crlb(scaled)
        np.testing.assert_allclose(bound[2, 2] * unit**2, fisher.crlb(fim)[2, 2], rtol=1e-12)
        return np.trace(bound) * np.trace(scaled) / 9

    degrees = np.pi / 180
    assert 1 < looseness(degrees) < looseness(1.0) / 4
    assert looseness(1e-6) > 1e6 * looseness(degrees)
    assert looseness(1e3) > 1e4 * looseness(1.0)


# ------------------------------------------------------------------------- the factor theorem


@given(seed=SEEDS)
def test_factor_theorem_equals_brute_force(seed):
    """2 SNR blockdiag(Cov_f) is the Schur complement of the dense Kronecker FIM."""
    rng = np.random.default_rng(seed)
    receive, transmit, waveform = (complex_normal(rng, n) for n in (4, 3, 5))
    d_receive, d_transmit = complex_normal(rng, 4, 1), complex_normal(rng, 3, 1)
    d_waveform, gain, noise_variance = complex_normal(rng, 5, 2), complex_normal(rng, 1)[0], 0.3

    def kron(a, b, c):
        return np.kron(np.kron(a, b), c)

    columns = [
        gain * kron(d_receive[:, 0], transmit, waveform),
        gain * kron(receive, d_transmit[:, 0], waveform),
        gain * kron(receive, transmit, d_waveform[:, 0]),
        gain * kron(receive, transmit, d_waveform[:, 1]),
        kron(receive, transmit, waveform),
        1j * kron(receive, transmit, waveform),
    ]
    fim = fisher.gaussian_fim(np.stack(columns, axis=1), noise_variance)
    dense = fisher.equivalent_fim(fim, n_keep=4)

    snr = np.sum(np.abs(gain * columns[4]) ** 2) / noise_variance
    expected = np.zeros((4, 4))
    expected[0, 0] = fisher.factor_covariance(receive, d_receive)[0, 0]
    expected[1, 1] = fisher.factor_covariance(transmit, d_transmit)[0, 0]
    expected[2:, 2:] = fisher.factor_covariance(waveform, d_waveform)
    np.testing.assert_allclose(
        dense, 2 * snr * expected, rtol=1e-9, atol=1e-9 * np.abs(dense).max()
    )


def test_sympy_cross_terms_of_two_factors_vanish_identically():
    """Two and three entries, all of them and all slopes free: across, the projection takes all."""
    r, dr = (sp.Matrix(sp.symbols(f"{name}:2")) for name in ("r", "dr"))
    s, ds = (sp.Matrix(sp.symbols(f"{name}:3")) for name in ("s", "ds"))
    mean = sp.kronecker_product(r, s)
    slopes = sp.Matrix.hstack(sp.kronecker_product(dr, s), sp.kronecker_product(r, ds))
    gram, along, energy = slopes.H * slopes, mean.H * slopes, (mean.H * mean)[0]
    left = gram - along.H * along / energy
    assert sp.expand(gram[0, 1]) != 0
    assert sp.cancel(left[0, 1]) == 0
    for own, (factor, slope) in enumerate(((r, dr), (s, ds))):
        size, centroid = (factor.H * factor)[0], (factor.H * slope)[0]
        spread = (slope.H * slope)[0] / size - sp.conjugate(centroid) * centroid / size**2
        assert sp.cancel(left[own, own] - energy * spread) == 0


@given(seed=SEEDS, scale=st.complex_numbers(min_magnitude=1e-3, max_magnitude=1e3))
def test_factor_covariance_ignores_scale_and_reference_and_is_a_covariance(seed, scale):
    """A factor may be scaled by any c, and df may gain any j k f: that is the unknown gain."""
    rng = np.random.default_rng(seed)
    factor, slopes = complex_normal(rng, 3, 6), complex_normal(rng, 3, 6, 2)
    covariance = fisher.factor_covariance(factor, slopes)
    moved = scale * (slopes + factor[..., None] * complex_normal(rng, 1, 1, 2))
    np.testing.assert_allclose(
        fisher.factor_covariance(scale * factor, moved), covariance, rtol=1e-9, atol=1e-9
    )
    assert np.all(np.linalg.eigvalsh(covariance)[..., 0] > -1e-12)


@pytest.mark.parametrize("carrier", [0.0, 3.5e9, 28e9, 300e9])
def test_a_carrier_costs_factor_covariance_no_digits(carrier):
    """Delay of 64 subcarriers at 30 kHz: the mean of the frequencies goes, the spread stays."""
    frequencies = 30e3 * np.arange(64)
    wave = np.exp(2j * np.pi * np.random.default_rng(28).random(64))
    slope = 2j * np.pi * (carrier + frequencies) * wave
    spread = fisher.factor_covariance(wave, slope[:, None])[0, 0]
    assert spread == pytest.approx((2 * np.pi) ** 2 * np.var(frequencies), rel=1e-10)


@pytest.mark.parametrize("size", [1e-200, 1e-9, 1e200])
def test_factor_covariance_of_a_very_small_or_large_factor(size):
    slope = size * 1j * np.arange(4)[:, None]
    assert fisher.factor_covariance(np.full(4, size), slope) == pytest.approx(1.25)


@given(slope=st.floats(-1e6, 1e6), phase=st.floats(0, 6.28))
def test_one_sample_has_no_spread(slope, phase):
    """Nor do several on which the parameter does what the gain does: zero, not its rounding."""
    sample = np.exp([1j * phase])
    assert fisher.factor_covariance(sample, 1j * slope * sample[:, None]) == 0
    samples = np.exp(1j * phase * np.arange(300) ** 2)
    turned = (slope + 1j * phase) * samples[:, None]
    np.testing.assert_array_equal(fisher.factor_covariance(samples, turned), [[0.0]])


@pytest.mark.parametrize("n_antennas", [1, 2, 7, 64])
def test_factor_covariance_of_an_array_is_the_variance_of_its_positions(n_antennas):
    array, phi = UniformLinearArray(n_antennas), np.array([-0.4, 0.0, 1.1])
    slopes = array.steering_derivative(phi)[..., None]
    covariance = fisher.factor_covariance(array.steering(phi), slopes)[..., 0, 0]
    expected = (array.kappa * np.cos(phi)) ** 2 * np.var(np.arange(n_antennas))
    np.testing.assert_allclose(covariance, expected, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------------------------- bad input

NAN, HALF = np.full((2, 2), np.nan), np.ones((3, 2))
LARGE, DATE = 1e9 * np.eye(2), np.datetime64("2026-01-01")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fisher.gaussian_fim(NAN, 1.0), "jacobian must be finite"),
        (lambda: fisher.gaussian_fim(np.ones(3), 1.0), "jacobian must have shape"),
        (lambda: fisher.gaussian_fim([["a", "b"]], 1.0), "jacobian must be an array of complex"),
        (lambda: fisher.gaussian_fim(HALF, 0.0), "noise_variance must be > 0"),
        (lambda: fisher.gaussian_fim(HALF, -1.0), "noise_variance must be > 0"),
        (lambda: fisher.gaussian_fim(HALF, np.inf), "noise_variance must be finite"),
        (lambda: fisher.gaussian_fim(HALF, 1j), "noise_variance must be an array of real"),
        (
            lambda: fisher.gaussian_fim(np.ones((2, 3, 2)), np.ones(3)),
            "jacobian and noise_variance must broadcast",
        ),
        (lambda: fisher.equivalent_fim(HALF, 1), r"fim must have shape \(\.\.\., n, n\)"),
        (lambda: fisher.equivalent_fim(NAN, 1), "fim must be finite"),
        (lambda: fisher.equivalent_fim(np.eye(3), 0), r"n_keep must be .* 1\.\.3, got 0"),
        (lambda: fisher.equivalent_fim(np.eye(3), 4), r"n_keep must be .* 1\.\.3, got 4"),
        (lambda: fisher.equivalent_fim(np.eye(3), 1.5), r"n_keep must be a whole number"),
        (lambda: fisher.equivalent_fim(np.eye(3), True), r"n_keep must be a whole number"),
        (lambda: fisher.equivalent_fim([[1, 2], [2, 1]], 1), "fim must be positive semidefinite"),
        (lambda: fisher.equivalent_fim(-np.eye(2), 1), "fim must be positive semidefinite"),
        (lambda: fisher.change_parameters(HALF, HALF), "fim must have shape"),
        (lambda: fisher.change_parameters(np.eye(2), HALF), "jacobian must have 2 rows"),
        (lambda: fisher.change_parameters(np.eye(2), NAN), "jacobian must be finite"),
        (lambda: fisher.change_parameters(np.eye(2), [1.0, 2.0]), "jacobian must have shape"),
        (
            lambda: fisher.change_parameters(np.ones((2, 3, 3)), np.ones((4, 3, 2))),
            "fim and jacobian must broadcast",
        ),
        (lambda: fisher.crlb(HALF), "fim must have shape"),
        (lambda: fisher.crlb(NAN), "fim must be finite"),
        (lambda: fisher.crlb(np.ones((0, 0))), "n >= 1"),
        (lambda: fisher.crlb(1.0), "fim must have shape"),
        (lambda: fisher.crlb([[1.0, 0.0], [5.0, 1.0]]), "fim must be symmetric"),
        (lambda: fisher.crlb([LARGE, [[1, 5], [0, 1]]]), "fim must be symmetric"),
        (lambda: fisher.crlb([[1e12, 1], [-1, 1]]), "fim must be symmetric"),
        (lambda: fisher.crlb([LARGE, [[1, 1e-6], [0, 1]]]), "fim must be symmetric"),
        (lambda: fisher.crlb([[1, 2], [2, 1]]), "fim must be positive semidefinite"),
        (lambda: fisher.crlb(np.diag([1, -5, 2])), "fim must be positive semidefinite"),
        (lambda: fisher.position_error_bound(-np.eye(2)), "efim must be positive semidefinite"),
        (
            lambda: fisher.position_error_bound([LARGE, np.diag([1.0, -0.5])]),
            "efim must be positive semidefinite",
        ),
        (lambda: fisher.gaussian_fim([["1", "2"]], 1.0), "jacobian must be an array of complex"),
        (lambda: fisher.gaussian_fim(HALF, "2"), "noise_variance must be an array of real"),
        (lambda: fisher.gaussian_fim(HALF, 10**400), "noise_variance must be an array of real"),
        (lambda: fisher.gaussian_fim(HALF, None), "noise_variance must be an array of real"),
        (lambda: fisher.gaussian_fim(HALF, DATE), "noise_variance must be an array of real"),
        (lambda: fisher.position_error_bound(HALF), "efim must have shape"),
        (lambda: fisher.position_error_bound(NAN), "efim must be finite"),
        (lambda: fisher.position_error_bound(1j * np.eye(2)), "efim must be an array of real"),
        (lambda: fisher.factor_covariance(np.zeros(3), HALF), "factor must not be zero"),
        (lambda: fisher.factor_covariance(np.ones(4), HALF), "derivatives must have one row"),
        (lambda: fisher.factor_covariance(1.0, HALF), "derivatives must have one row"),
        (lambda: fisher.factor_covariance([np.nan, 1.0, 1.0], HALF), "factor must be finite"),
        (lambda: fisher.factor_covariance(np.ones(2), NAN), "derivatives must be finite"),
        (lambda: fisher.factor_covariance(np.ones(3), np.ones(3)), "derivatives must have shape"),
        (
            lambda: fisher.factor_covariance(np.ones((2, 3)), np.ones((4, 3, 1))),
            "factor and derivatives must broadcast",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (fisher.gaussian_fim, (np.ones((3, 2)) + 0j, np.array(2.0))),
        (fisher.equivalent_fim, (np.eye(3), 2)),
        (fisher.equivalent_fim, (np.eye(3), 3)),
        (fisher.change_parameters, (np.eye(3), np.eye(3))),
        (fisher.crlb, (np.diag([1.0, 0.0]),)),
        (fisher.position_error_bound, (np.diag([1.0, 0.0]),)),
        (fisher.factor_covariance, (np.ones(3) + 0j, np.ones((3, 2)) + 0j)),
    ],
)
def test_inputs_are_never_changed_and_never_shared(function, arguments):
    arrays = [each for each in arguments if isinstance(each, np.ndarray)]
    before = [each.copy() for each in arrays]
    for each in arrays:
        each.flags.writeable = False
    result = function(*arguments)
    assert all(map(np.array_equal, arrays, before))
    assert not any(np.shares_memory(result, each) for each in arrays)


# --------------------------------------------------------------- many small matrices at once


def gram(rng, shape, n):
    """Random information of widely different units, in arrays (..., n, n)."""
    slopes = rng.normal(size=(*shape, n + 1, n)) * 10.0 ** rng.integers(-9, 9, n)
    return _rounding.symmetric(np.swapaxes(slopes, -1, -2) @ slopes)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5000)])
def test_entry_by_entry_is_what_linear_algebra_says(shape):
    """Closed forms against LAPACK, and no input is changed."""
    rng = np.random.default_rng(len(shape))
    eps = np.finfo(float).eps
    for n, n_keep in ((2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (4, 3)):
        fim = gram(rng, shape, n)
        before = fim.copy()
        left = fisher.equivalent_fim(fim, n_keep)
        np.testing.assert_array_equal(fim, before)
        expected = _rounding.left_of(fim, n_keep, eps)
        unit = np.sqrt(np.diagonal(fim, axis1=-2, axis2=-1))[..., :n_keep]
        outer = unit[..., :, None] * unit[..., None, :]
        assert left.shape == expected.shape
        np.testing.assert_allclose(left / outer, expected / outer, rtol=0, atol=1e-12)
    efim = gram(rng, shape, 2) if not shape else np.moveaxis(gram(rng, shape[::-1], 2), 0, -3)
    before = efim.copy()
    bound = fisher.position_error_bound(efim)
    np.testing.assert_array_equal(efim, before)
    np.testing.assert_allclose(bound, _rounding.bound_of(efim, eps), rtol=1e-12)


def test_matrices_near_a_singular_one_take_the_careful_road():
    """Whatever the share that is left, and whatever else is in the array."""
    share = 10.0 ** np.arange(-17, 0)
    root = np.sqrt(1 - share)
    eps = np.finfo(float).eps
    for unit in (1.0, 1e-8, 1e7):
        efim = np.empty((len(share), 2, 2))
        efim[:, 0, 0], efim[:, 1, 1] = 1.0, unit**2
        efim[:, 0, 1] = efim[:, 1, 0] = unit * root
        bound = fisher.position_error_bound(efim)
        exact = [_rounding.bound_of(each, eps) for each in efim]
        np.testing.assert_allclose(bound, exact, rtol=1e-12)
        assert unit != 1 or (np.isinf(bound[0]) and np.isfinite(bound[-1]))
        fim = np.zeros((len(share), 3, 3))
        fim[:, [0, 0, 1, 1], [0, 1, 0, 1]] = efim.reshape(-1, 4)
        fim[:, 2, 2] = 7.0
        fim[:, 0, 2] = fim[:, 2, 0] = 1.0
        fim[:, 0, 0] += 1 / 7
        left = fisher.equivalent_fim(fim, 2)
        one = [_rounding.left_of(each, 2, eps) for each in fim]
        scale = np.outer([1, unit], [1, unit])
        np.testing.assert_allclose(left / scale, one / scale, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(left == 0, np.array(one) == 0)


def test_one_bad_matrix_among_many_is_refused():
    rng = np.random.default_rng(8)
    pairs, triples = gram(rng, (50,), 2), gram(rng, (50,), 3)
    for bad, words in (
        (np.diag([1.0, -1.0]), "positive semidefinite"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "positive semidefinite"),
        (np.array([[1.0, 0.5], [0.4, 1.0]]), "symmetric"),
        (np.full((2, 2), np.nan), "finite"),
    ):
        pairs[17] = bad
        with pytest.raises(ValueError, match=f"efim must be .*{words}"):
            fisher.position_error_bound(pairs)
    for bad, words in (
        (np.diag([1.0, 1.0, -1.0]), "positive semidefinite"),
        (np.diag([-1.0, 1.0, 1.0]), "positive semidefinite"),
        (np.diag([1.0, 1.0, 0.0]), "singular"),
    ):
        triples[17] = bad
        with pytest.raises(ValueError, match=words):
            fisher.equivalent_fim(triples, 2)
    pairs[17] = 0.0
    assert np.isinf(fisher.position_error_bound(pairs)[17])
    single = np.array([[1.0, 0.999999], [0.999999, 1.0]], dtype=np.float32)
    assert np.isinf(fisher.position_error_bound(single))  # to the rounding it came with


def test_slopes_whose_squares_overflow_are_refused():
    with np.errstate(all="raise"), pytest.raises(ValueError, match="slopes must be in units"):
        fisher.information([[1e200, 1.0]])
