"""Tests of two places, Ziv-Zakai bounds and counted rivals: closed forms, draws, limits."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import comb, factorial, ive
from scipy.stats import ncx2

from cfisac import fisher, signals
from cfisac.arrays import UniformLinearArray
from cfisac.estimators import angle_ml
from cfisac.limits import _threshold_count as count
from cfisac.limits import cooperative, threshold
from cfisac.paths import Paths
from cfisac.scenarios import MonostaticScene, liu_scene
from cfisac.waveforms import OFDM, OTFS

SEEDS = st.integers(0, 2**32 - 1)
SPREAD = (2 * np.pi) ** 2 * (16**2 - 1) / 12


def complex_normal(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def circle(snr):
    """Sixteen antennas, an angle on the circle of length one."""
    return threshold.line(snr, threshold.uniform(16), SPREAD, 1.0, circular=True)


def corner_scene(target=(160.0, 190.0), n_aps=4, n_tones=32):
    aps = np.array([[0.0, 0.0], [350.0, 0.0], [0.0, 350.0], [350.0, 350.0]])[:n_aps]
    return MonostaticScene(
        aps=aps, targets=[target], n_antennas=8, waveform=OFDM(n_tones, 1, 120e3, 3e-6),
        carrier_frequency=3.5e9, noise_figure_db=7.0, transmit_power=0.01,
    )  # fmt: skip


BOX = [[75.0, 75.0], [275.0, 275.0]]

# ------------------------------------------------------------------------- the binary test


def test_moment_generating_function_of_the_test():
    """Two energies in the eigenvectors of ss^H - pp^H; the fading one is the mean over gains."""
    k, rho, s = sp.symbols("kappa rho s", positive=True)
    # |m_+|^2 + |m_-|^2 = rho, kappa (|m_+|^2 - |m_-|^2) = rho (r^2 - 1) = -rho kappa^2
    plus, minus = rho * (1 - k) / 2, rho * (1 + k) / 2
    exponent = s * k * plus / (1 - s * k) - s * k * minus / (1 + s * k)
    printed = -rho * k**2 * s * (1 - s) / (1 - k**2 * s**2)
    assert sp.simplify(exponent - printed) == 0
    x, mean = sp.symbols("x rho_0", positive=True)
    q = sp.symbols("q", positive=True)  # k^2 s (1 - s) / (1 - k^2 s^2)
    average = sp.integrate(sp.exp(-x * q) * sp.exp(-x / mean) / mean, (x, 0, sp.oo))
    by_q = average.subs(q, k**2 * s * (1 - s) / (1 - k**2 * s**2)) / (1 - k**2 * s**2)
    assert sp.simplify(by_q - 1 / (1 - k**2 * s**2 + mean * k**2 * s * (1 - s))) == 0


def one_fixed(rho, kappa):
    """Marcum's Q: exact for one branch of fixed modulus."""
    a, b = np.sqrt(rho * (1 - kappa) / 2), np.sqrt(rho * (1 + kappa) / 2)
    return ncx2.sf(b**2, 2, a**2) - np.exp(-rho / 2 + a * b) * ive(0, a * b) / 2


def one_fading(rho, kappa):
    square = (rho * kappa) ** 2
    return (1 - np.sqrt(square / (square + 4 * (1 + rho)))) / 2


@pytest.mark.parametrize(
    ("fading", "exact"), [("phase", one_fixed), ("rayleigh", one_fading)], ids=["fixed", "fading"]
)
def test_one_branch_is_the_closed_form(fading, exact):
    rho, kappa = (x.ravel() for x in np.meshgrid([1e-3, 0.1, 1, 5, 20, 40], [1e-3, 0.1, 0.5, 0.9]))
    found = threshold.pairwise_error(rho[:, None], kappa[:, None], fading)
    np.testing.assert_allclose(found, exact(rho, kappa), rtol=2e-9)
    alone = threshold.pairwise_error(rho[:, None], [1.0], fading)
    whole = np.exp(-rho / 2) / 2 if fading == "phase" else 1 / (2 + rho)
    np.testing.assert_allclose(alone, whole, rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 4, 9])
def test_equal_orthogonal_branches_are_square_law_combining(n):
    """Proakis: fixed moduli ask for their sum only; fading ones for p = 1 / (2 + rho)."""
    for rho in (0.3, 3.0, 20.0):
        total = n * rho
        series = sum(
            (total / 2) ** i / factorial(i) * sum(comb(2 * n - 1, k) for k in range(n - i))
            for i in range(n)
        )
        expected = np.exp(-total / 2) * series / 2 ** (2 * n - 1)
        shares = np.linspace(1, 2, n) / np.linspace(1, 2, n).sum()
        for snr in (np.full(n, rho), total * shares):
            found = threshold.pairwise_error(snr, np.ones(n))
            assert found == pytest.approx(expected, rel=1e-9)
        p = 1 / (2 + rho)
        fading = p**n * sum(comb(n - 1 + k, k) * (1 - p) ** k for k in range(n))
        found = threshold.pairwise_error(np.full(n, rho), np.ones(n), "rayleigh")
        assert found == pytest.approx(fading, rel=1e-9)


@pytest.mark.parametrize("fading", ["phase", "rayleigh"])
def test_unequal_branches_are_what_draws_say(fading):
    """400 000 draws of both powers at three access points; five standard deviations."""
    rng, n = np.random.default_rng(2), 400_000
    snr, kappa = np.array([6.0, 2.0, 0.5]), np.array([0.6, 1.0, 0.9])
    like = np.sqrt(1 - kappa**2)
    unit = np.exp(2j * np.pi * rng.uniform(size=(n, 3)))
    gain = complex_normal(rng, n, 3) if fading == "rayleigh" else unit
    truth = np.sqrt(snr) * gain + complex_normal(rng, n, 3)
    rival = like * truth + kappa * complex_normal(rng, n, 3)
    wins = np.mean(np.sum(np.abs(rival) ** 2 - np.abs(truth) ** 2, axis=1) > 0)
    expected = threshold.pairwise_error(snr, kappa, fading)
    assert abs(wins - expected) < 5 * np.sqrt(expected * (1 - expected) / n)


@given(seed=SEEDS, n=st.integers(1, 6), fading=st.sampled_from(["phase", "rayleigh"]))
@settings(max_examples=60, deadline=None)
def test_pairwise_error_behaves(seed, n, fading):
    """Order does not matter, more SNR helps, deaf branches cost, equal echoes are a guess."""
    rng = np.random.default_rng(seed)
    snr, kappa = rng.exponential(5.0, n), rng.uniform(0.01, 1.0, n)
    chance = threshold.pairwise_error(snr, kappa, fading)
    assert 0 < chance < 0.5
    order = rng.permutation(n)
    assert threshold.pairwise_error(snr[order], kappa[order], fading) == pytest.approx(chance)
    assert threshold.pairwise_error(1.2 * snr, kappa, fading) < chance
    deaf = threshold.pairwise_error([*snr, 0.0], [*kappa, 1.0], fading)
    assert chance < deaf < 0.5
    same = threshold.pairwise_error([*snr, 3.0], [*kappa, 0.0], fading)
    assert same == pytest.approx(chance, rel=1e-8)
    assert threshold.pairwise_error(snr, np.zeros(n), fading) == 0.5
    assert threshold.pairwise_error(0 * snr, kappa, fading) == pytest.approx(0.5, rel=1e-8)


def test_pairwise_error_broadcasts_and_is_exact_far_out():
    snr, kappa = np.ones((5, 1, 3)), np.full((4, 3), 0.5)
    assert threshold.pairwise_error(snr, kappa).shape == (5, 4)
    assert threshold.pairwise_error(np.zeros((0, 2)), [1.0, 1.0]).shape == (0,)
    assert threshold.pairwise_error([1200.0], [1.0]) == pytest.approx(np.exp(-600) / 2, rel=1e-8)
    assert threshold.pairwise_error([1e12], [1.0]) == 0.0
    assert threshold.pairwise_error([1e12], [1e-6]) == pytest.approx(one_normal(1.0), rel=1e-3)


def one_normal(rho):
    """Small separations at large SNR: a Gaussian test, Q(kappa sqrt(rho) / sqrt(2))."""
    from scipy.stats import norm

    return norm.sf(np.sqrt(rho / 2))


def test_coherent_test_is_too_good():
    """At r = 0 the Gaussian Q is sqrt(2 pi rho) / 2 times too small."""
    from scipy.stats import norm

    rho = 100.0
    factor = threshold.pairwise_error([rho], [1.0]) / norm.sf(np.sqrt(rho))
    assert factor == pytest.approx(np.sqrt(2 * np.pi * rho) / 2, rel=0.02)


def test_no_test_beats_the_sum_for_equal_fading_branches_and_ln_bessel_does_for_fixed_ones():
    """Likelihood ratios: |z|^2 rho / (1 + rho) when fading, ln I_0(2 sqrt(rho) |z|) when fixed."""
    rng, n = np.random.default_rng(5), 400_000
    snr = np.array([4.0, 0.4, 4.0])
    truth = np.sqrt(snr) + complex_normal(rng, n, 3)
    rival = complex_normal(rng, n, 3)

    def bessel(z):
        x = 2 * np.sqrt(snr) * np.abs(z)
        return np.sum(np.log(ive(0, x)) + x, axis=1)

    plain = np.sum(np.abs(rival) ** 2 - np.abs(truth) ** 2, axis=1) > 0
    best = bessel(rival) > bessel(truth)
    difference = plain.astype(float) - best
    assert difference.mean() > 5 * difference.std() / np.sqrt(n)
    assert best.mean() > 0.7 * plain.mean()


# ------------------------------------------------------------------------- Ziv-Zakai


def brute(snr, correlation, width, circular, exact):
    """The integral by scipy, valley filled on a fine grid."""
    h = np.linspace(0, width / 2 if circular else width, 40_001)[1:]
    height = exact(snr, np.sqrt(1 - correlation(h) ** 2))
    if not circular:
        height = np.maximum.accumulate(((1 - h / width) * height)[::-1])[::-1]
    return np.sum(h * height) * (h[1] - h[0])


@pytest.mark.parametrize(
    ("fading", "exact"), [("phase", one_fixed), ("rayleigh", one_fading)], ids=["fixed", "fading"]
)
@pytest.mark.parametrize(("n", "width", "circular"), [(16, 1.0, True), (64, 0.25, False)])
def test_ziv_zakai_is_the_integral(fading, exact, n, width, circular):
    alike = threshold.uniform(n)
    for snr in (0.5, 8.0, 30.0):
        found = threshold.ziv_zakai(snr, alike, width, circular, fading)
        expected = brute(snr, alike, width, circular, exact)
        assert found == pytest.approx(expected, rel=2e-3)


def test_ziv_zakai_limits():
    """The prior without signal, the Cramér-Rao bound with much."""
    alike = threshold.uniform(64)
    silent = threshold.ziv_zakai([0.0], alike, 0.3)
    assert silent == pytest.approx(0.3**2 / 12, rel=1e-9)
    assert threshold.ziv_zakai(0.0, alike, 0.3, True) == pytest.approx(0.3**2 / 16, rel=1e-9)
    snr = np.array([1e5, 1e8, 1e11])
    crlb = 1 / (2 * snr * (2 * np.pi) ** 2 * (64**2 - 1) / 12)
    np.testing.assert_allclose(threshold.ziv_zakai(snr, alike, 0.25) / crlb, 1, atol=3e-3)
    np.testing.assert_allclose(threshold.ziv_zakai(snr, alike, 1.0, True) / crlb, 1, rtol=1e-4)
    assert np.all(np.diff(threshold.ziv_zakai(np.logspace(-2, 4, 20), alike, 0.25)) < 0)


def test_fading_costs_a_multiple_of_the_bound_at_any_snr():
    """One path of Swerling I: the product of SNR and error tends to a constant."""
    snr = np.array([1e3, 1e4, 1e5])
    crlb = 1 / (2 * snr * SPREAD)
    ratio = threshold.ziv_zakai(snr, threshold.uniform(16), 1.0, True, "rayleigh") / crlb
    assert np.all(ratio > 100)
    assert ratio[2] / ratio[1] == pytest.approx(1, abs=0.02)


def test_position_ziv_zakai_limits():
    """No signal: the box; much: below the mean bound, near it for a centred box of small lobes."""
    scene = corner_scene((175.0, 175.0))
    small = [[170.0, 172.0], [180.0, 178.0]]
    snr = np.array([[0.0] * 4, [10.0] * 4, [1e6] * 4])
    found = threshold.ziv_zakai_position(scene, snr, small)
    assert found.shape == (3,)
    assert found[0] == pytest.approx((10.0**2 + 6.0**2) / 12, rel=1e-2)
    efim = sum(2e6 * threshold.landscape(scene, small, 2).truth_metric)
    bound = np.trace(np.linalg.inv(efim))
    assert 0.97 < found[2] / bound < 1.01
    assert found[1] < found[0]


@pytest.mark.parametrize("snr", [1e9, 1e12])
def test_position_ziv_zakai_meets_the_bound_however_strong_the_echo(snr):
    """Steps as fine as the error; in a large box they once were not, and the bound was zero."""
    scene = corner_scene((175.0, 175.0))
    small = [[170.0, 172.0], [180.0, 178.0]]
    found = threshold.ziv_zakai_position(scene, [snr] * 4, small)
    efim = sum(2 * snr * threshold.landscape(scene, small, 2).truth_metric)
    assert 0.97 < found / np.trace(np.linalg.inv(efim)) < 1.01
    large = threshold.ziv_zakai_position(scene, [[snr / 100] * 4, [snr] * 4], [[0, 0], [350, 350]])
    assert large[0] / large[1] == pytest.approx(100, rel=0.02)


def test_position_ziv_zakai_in_space():
    """Three panels of four antennas; fewer displacements are tried across the steps there."""
    panel = np.array([[0.0, y, z] for y in (0.0, 0.5) for z in (0.0, 0.5)])
    aps = np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 30.0], [0.0, 100.0, 20.0]])
    scene = MonostaticScene(
        aps=aps, targets=[[50.0, 40.0, 10.0]], velocities=[[0.0, 0.0, 0.0]], transmit_power=1.0,
        noise_variance=2e-13, waveform=OFDM(8, 1, 5e6), carrier_frequency=4e9,
        transmit_arrays=panel, receive_arrays=panel,
    )  # fmt: skip
    box = np.array([[45.0, 35.0, 5.0], [55.0, 45.0, 15.0]])
    found = threshold.ziv_zakai_position(scene, [1e5] * 3, box)
    efim = sum(2e5 * threshold.landscape(scene, box, 1).truth_metric)
    assert 0.9 < found / np.trace(np.linalg.inv(efim)) < 1.01


def test_places_that_are_nearly_all_apart_are_never_confused():
    """Next to the pole of the transform, where numbers overflow and their product is none."""
    rng = np.random.default_rng(5)
    apart = 1 - rng.uniform(0, 1e-14, (200, 4))
    assert np.all(threshold.pairwise_error(np.full((200, 4), 1e12), apart) == 0)


# ------------------------------------------------------------------------- landscapes


def test_landscape_is_made_of_echoes():
    """Likeness from whole tensors, metric from the bound of the scene."""
    scene = liu_scene(np.random.default_rng(4), n_targets=1)
    box = scene.targets[0] + np.array([[-3.0, -4.0], [5.0, 6.0]])
    found = threshold.landscape(scene, box, 3)
    ticks = (np.arange(3) + 0.5) / 3
    points = [box[0] + (box[1] - box[0]) * [x, y] for x in ticks for y in ticks]
    one = np.ones((4, 1))
    truth = signals.echo_tensors(scene, one)
    for i in (0, 4, 7):
        factors = signals.echo_factors(scene, points[i][None], scene.velocities)
        other = signals.echo_tensors(scene, one, factors)
        like = [abs(np.vdot(a, b)) / a.size for a, b in zip(truth, other, strict=True)]
        np.testing.assert_allclose(found.correlation[i], like, atol=1e-12)
        assert found.squared_error[i] == pytest.approx(np.sum((points[i] - scene.targets[0]) ** 2))
    snr = scene.sample_snr.T[0]
    efim = cooperative.state_efim(
        scene.targets[0], scene.velocities[0], scene.aps, 8, snr, scene.waveform,
        scene.carrier_frequency,
    )  # fmt: skip
    mine = 2 * np.einsum("l,lij->ij", found.snr, found.truth_metric)
    np.testing.assert_allclose(mine, efim[:2, :2], rtol=1e-9)
    assert found.volumes.sum() == pytest.approx(np.prod(box[1] - box[0]))


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_metric_is_the_bend_of_the_likeness(seed):
    """r^2 = 1 - delta^T J delta for near places."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(100, 250, 2)
    scene, delta = corner_scene(truth), rng.normal(size=2) * 0.05
    box = np.sort([truth, truth + 2 * delta], axis=0)
    found = threshold.landscape(scene, box, 1)
    step = box.mean(axis=0) - truth
    expected = np.einsum("i,lij,j->l", step, found.truth_metric, step)
    np.testing.assert_allclose(1 - found.correlation[0] ** 2, expected, rtol=0.02, atol=1e-12)


def test_uniform_is_the_geometric_sum():
    for n in (1, 2, 9):
        h = np.linspace(-1.3, 1.3, 53)
        expected = np.abs(np.exp(2j * np.pi * np.outer(h, np.arange(n))).mean(axis=1))
        np.testing.assert_allclose(threshold.uniform(n)(h), expected, atol=1e-12)
        assert threshold.uniform(n)(1.0) == pytest.approx(1.0, abs=1e-12)


def test_a_line_covers_its_interval():
    places = threshold.line(3.0, threshold.uniform(8), 5.0, 2.0, 0.5, n_cells=1000)
    assert places.blind_mse == pytest.approx((0.5**3 + 1.5**3) / 3 / 2, rel=1e-5)
    assert circle(1.0).blind_mse == pytest.approx(1 / 12, rel=1e-4)


# ------------------------------------------------------------------------- counted rivals


def test_peak_densities_are_those_of_chi_squared_fields():
    """Rice's rate for a line; for a plane and space the polynomials of Worsley."""
    x = np.array([9.0, 12.0, 20.0])
    for n in (1, 3):
        pdf = x ** (n - 1) * np.exp(-x) / factorial(n - 1)
        line = pdf * np.sqrt(x / np.pi)
        plane = pdf * (x - n + 0.5) / np.pi
        cubic = x**2 - (2 * n - 0.5) * x + (2 * n - 1) * (n - 1) / 2
        space = pdf * cubic / np.sqrt(x) / np.pi**1.5
        for d, expected in ((1, line), (2, plane), (3, space)):
            np.testing.assert_allclose(count.peak_density(x, n, d), expected, rtol=1e-12)


def test_peak_density_never_rises_with_the_level():
    level = np.linspace(1e-3, 40, 400)
    for n, d in ((1, 2), (4, 2), (4, 4), (30, 3)):
        found = count.peak_density(level, n, d)
        assert np.all(np.diff(found) <= 0)
        assert np.all(np.isfinite(found))
        shuffled = np.random.default_rng(0).permutation(400)
        np.testing.assert_array_equal(count.peak_density(level[shuffled], n, d), found[shuffled])


def test_power_of_a_winning_rival():
    """Draws weighted by exp(s D); six standard errors of the weighted mean."""
    rng, n = np.random.default_rng(14), 400_000
    for snr, like, s in ((5.0, 0.3, 0.4), (2.0, 0.8, 0.5)):
        apart = np.sqrt(1 - like**2)
        truth = np.sqrt(snr) + complex_normal(rng, n)
        rival = like * truth + apart * complex_normal(rng, n)
        weight = np.exp(s * (np.abs(rival) ** 2 - np.abs(truth) ** 2))
        mean = np.sum(weight * np.abs(rival) ** 2) / weight.sum()
        error = np.sqrt(np.sum((weight * (np.abs(rival) ** 2 - mean)) ** 2)) / weight.sum()
        assert abs(count.winning_power(snr, like, s) - mean) < 6 * error < 0.1 * mean


def test_highest_peak_of_noise_on_a_circle():
    """P(max > x) = 1 - exp(-N(x)): 40 000 draws, five deviations and 4 % for the model."""
    n, rng = 40_000, np.random.default_rng(6)
    noise = complex_normal(rng, n, 16)
    top = np.max(np.abs(np.fft.fft(noise, 256, axis=1)) ** 2, axis=1) / 16
    for level in (4.0, 6.0, 8.0):
        number = np.sqrt(SPREAD) * count.peak_density(np.array([level]), 1, 1)[0]
        expected = -np.expm1(-number)
        deviation = np.sqrt(expected * (1 - expected) / n)
        assert abs(np.mean(top > level) - expected) < 5 * deviation + 0.04 * expected


def test_own_peak_has_the_moments_of_its_law():
    for total in (0.0, 3.0, 1e3, 1e7):
        level, weight = count._own_peak(10, total)
        mean, variance = 5 + total, (10 + 4 * total) / 2
        assert weight @ level == pytest.approx(mean, rel=1e-9)
        assert weight @ (level - mean) ** 2 == pytest.approx(variance, rel=1e-7)


@pytest.fixture(scope="module")
def angles():
    """Mean square errors of 100 000 angles at each of some SNRs, over the bound, with errors."""
    array, rng, found = UniformLinearArray(16), np.random.default_rng(8), {}
    for snr_db in (0.0, 8.0, 11.0, 15.0):
        snr, n = 10 ** (snr_db / 10), 100_000
        phi = np.arcsin(rng.uniform(-1, 1, n))
        received = np.sqrt(snr) * array.steering(phi) + complex_normal(rng, n, 16)
        _, estimate = angle_ml.estimate_from_channel(received, array)
        square = (angle_ml.angle_error_in_sine(estimate, phi) / 2) ** 2 * 2 * snr * SPREAD
        found[snr_db] = square.mean(), square.std() / np.sqrt(n)
    return found


def test_counted_rivals_predict_the_angle(angles):
    """Within 12 % from a guess to the bound."""
    for snr_db, (measured, error) in angles.items():
        prediction = threshold.rivals(circle(1.0), snr_db)
        ratio = prediction.mse / prediction.crlb
        assert abs(measured - ratio) < 5 * error + 0.12 * ratio


def test_ziv_zakai_is_below_the_angle(angles):
    for snr_db, (measured, error) in angles.items():
        snr = 10 ** (snr_db / 10)
        bound = threshold.ziv_zakai(snr, threshold.uniform(16), 1.0, True)
        assert bound * 2 * snr * SPREAD < measured + 4 * error


def test_prediction_is_the_bound_above_and_a_guess_below():
    high = threshold.rivals(circle(1.0), 60.0)
    assert high.mse / high.crlb == pytest.approx(1, abs=1e-5)
    assert high.outlier_probability == 0
    places = threshold.landscape(corner_scene(), BOX, 12, snr=[0.0] * 4)
    deaf = threshold.rivals(places)
    assert deaf.crlb == np.inf
    assert deaf.mse == pytest.approx(places.blind_mse, rel=0.2)
    assert deaf.local_mse == places.blind_mse
    boosts = threshold.rivals(circle(1.0), np.zeros((2, 3)) + 10)
    assert boosts.mse.shape == (2, 3)


def test_a_region_within_one_lobe_has_no_rivals():
    near = threshold.line(30.0, threshold.uniform(16), SPREAD, 0.01)
    found = threshold.rivals(near)
    assert found.outlier_probability == 0
    assert found.mse == found.local_mse <= near.blind_mse
    sharp = threshold.rivals(near, 30.0)
    assert sharp.crlb < sharp.mse == sharp.local_mse < near.blind_mse


def test_strangers_count_like_a_large_landscape():
    """Where the square holds many lobes, its echoes need not be known: within 0.5 dB."""
    scene = corner_scene((175.0, 175.0), n_tones=128)
    snr = np.full(4, 10**0.9)
    known = threshold.landscape(scene, BOX, 40, snr=snr)
    samples = 8 * 128
    heard = cooperative.paths(
        scene.targets[0], [0.0, 0.0], scene.aps, 8, snr / samples, scene.waveform, 3.5e9
    )
    place = Paths(heard.snr, heard.spread, heard.jacobian[..., :2])
    blind = threshold.strangers(place, 200.0**2, 200.0**2 / 6)
    boosts = [threshold.snr_at(np.sqrt(2), each) for each in (known, blind)]
    assert abs(boosts[0] - boosts[1]) < 0.5
    with_velocity = threshold.strangers(heard, 200.0**2 * 240.0**2, 200.0**2 / 6, 2)
    assert with_velocity.dimension == 4
    assert with_velocity.n_keep == 2


def test_snr_at_is_where_the_ratio_is_passed():
    places = circle(10.0)
    for ratio in (1.1, np.sqrt(2), 3.0):
        boost = threshold.snr_at(ratio, places)
        found = threshold.rivals(places, [boost - 0.01, boost + 0.01])
        below, above = np.sqrt(found.mse / found.crlb)
        assert above < ratio < below
    pair = [circle(10.0), circle(100.0)]
    alone = [threshold.snr_at(1.1, each) for each in pair]
    assert alone[0] - alone[1] == pytest.approx(10, abs=1e-4)
    assert min(alone) < threshold.snr_at(1.1, pair) < max(alone)
    assert threshold.snr_at(1.1, threshold.landscape(corner_scene(), BOX, 5, snr=[0] * 4)) == np.inf


# ------------------------------------------------------------------------- near the truth


def test_gradient_has_noise_times_noise():
    """cov of 2 Re(z^* w), z = alpha + n_0, w ~ CN(0, J) independent: 2 (rho + 1) J."""
    a, x, y, u, v, j = sp.symbols("a x y u v J", real=True)
    # n_0 = x + i y and w = u + i v, of variances 1/2 and J/2 in each part
    gradient = sp.expand((2 * ((a + x) * u + y * v)) ** 2)
    moments = {x**2: sp.Rational(1, 2), y**2: sp.Rational(1, 2), u**2: j / 2, v**2: j / 2}
    total = 0
    for term in gradient.as_ordered_terms():
        powers = term.as_powers_dict()
        if any(powers.get(s, 0) % 2 for s in (x, y, u, v)):
            continue
        total += term.subs(moments)
    assert sp.simplify(total - 2 * (a**2 + 1) * j) == 0


def test_deaf_access_points_add_noise_and_weights_mend_it():
    """Joint ML of a sine at two arrays, one deaf: simulated, with and without weights."""
    n, snr, array = 60_000, 200.0, UniformLinearArray(16)
    rng = np.random.default_rng(11)
    heard = np.array([snr, 0.0])
    clean = np.sqrt(heard)[:, None, None] * array.steering(np.zeros(n))
    received = clean + complex_normal(rng, 2, n, 16)
    several = Paths(heard, SPREAD * np.eye(1), np.ones((2, 1, 1)))
    lags = np.arange(16) - 7.5
    for weights in (np.ones(2), threshold.best_weights(heard)):
        place = np.zeros(n)
        for _ in range(6):
            turn = np.exp(-2j * np.pi * place[:, None] * lags)
            z, z1, z2 = (np.sum(received * turn * (-2j * np.pi * lags) ** k, -1) for k in range(3))
            slope = weights @ (2 * (z.conj() * z1).real)
            bend = weights @ (2 * (np.abs(z1) ** 2 + (z.conj() * z2).real))
            place = place - slope / bend
        expected = threshold.local_covariance(several, weights)[0, 0]
        measured = np.mean(place**2)
        assert abs(measured / expected - 1) < 5 * np.sqrt(2 / n) + 4 / snr
    plain = threshold.local_covariance(several)[0, 0] * 2 * snr * SPREAD
    assert plain == pytest.approx(1 + 2 / snr)


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_best_weights_are_best(seed):
    """No weights make a smaller matrix; with equal SNRs equal weights are best."""
    rng = np.random.default_rng(seed)
    jacobian, snr = rng.normal(size=(5, 2, 2)), rng.exponential(3.0, 5)
    several = Paths(snr, np.eye(2), jacobian)
    best = threshold.local_covariance(several, threshold.best_weights(snr))
    other = threshold.local_covariance(several, rng.exponential(size=5))
    scale = np.trace(best)
    assert np.linalg.eigvalsh(other - best).min() > -1e-9 * scale
    assert np.linalg.eigvalsh(best - fisher.crlb(several.information())).min() > -1e-9 * scale
    closed = np.linalg.inv(
        sum(2 * r**2 / (1 + r) * j.T @ j for r, j in zip(snr, jacobian, strict=True))
    )
    np.testing.assert_allclose(best, closed, rtol=1e-7)
    even = Paths(np.full(5, 3.0), np.eye(2), jacobian)
    np.testing.assert_allclose(
        threshold.local_covariance(even), threshold.local_covariance(even, np.full(5, 0.7)),
        rtol=1e-9,
    )  # fmt: skip


def test_best_covariance_is_the_bound_of_gains_that_fade():
    """Brute force Slepian-Bangs: y ~ CN(0, rho s s^H + I)."""
    rho, lags = 3.0, np.arange(6) - 2.5
    turn = -2j * np.pi * lags

    def covariance(place):
        s = np.exp(turn * place) / np.sqrt(6)
        return rho * np.outer(s, s.conj()) + np.eye(6)

    step = 1e-5
    slope = (covariance(step) - covariance(-step)) / (2 * step)
    inverse = np.linalg.inv(covariance(0.0))
    information = np.trace(inverse @ slope @ inverse @ slope).real
    spread = (2 * np.pi) ** 2 * np.var(lags)
    one = Paths([rho], spread * np.eye(1), np.ones((1, 1, 1)))
    best = threshold.local_covariance(one, threshold.best_weights([rho]))
    assert best[0, 0] == pytest.approx(1 / information, rel=1e-7)


def test_nothing_heard_is_no_place():
    one = Paths([5.0, 0.0], np.eye(1), np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    assert np.all(np.isinf(threshold.local_covariance(one)))


# ------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([-1.0], [0.5]), "snr must be >= 0"),
        (([np.nan], [0.5]), "snr must be finite"),
        (([1e13], [0.5]), "snr must be <= 1e\\+12"),
        (([1.0], [1.5]), r"separation must be in \[0, 1\]"),
        (([1.0], [-0.5]), "separation must be >= 0"),
        ((1.0, 0.5), r"must have shape \(\.\.\., L\)"),
        (([1.0, 2.0], [0.1, 0.2, 0.3]), "must broadcast"),
        (([1.0], [0.5], "rice"), "fading must be 'phase' or 'rayleigh'"),
        (([], []), r"must have shape \(\.\.\., L\)"),
        (("loud", [0.5]), "snr must be an array"),
    ],
)
def test_bad_tests_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        threshold.pairwise_error(*arguments)


def flat(h):
    return np.ones_like(h)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((-1.0, flat, 1.0), "snr must be >= 0"),
        ((1.0, 0.5, 1.0), "correlation must be a function"),
        ((1.0, lambda h: 2 * flat(h), 1.0), r"correlation must give one number in \[0, 1\]"),
        ((1.0, lambda h: 1.0, 1.0), "correlation must give one number"),
        ((1.0, lambda h: h * np.nan, 1.0), "correlation must be finite"),
        ((1.0, flat, 0.0), "width must be > 0"),
        ((1.0, flat, 1.0, "yes"), "circular must be True or False"),
        ((1.0, flat, 1.0, True, "rice"), "fading must be"),
    ],
)
def test_bad_integrals_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        threshold.ziv_zakai(*arguments)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"corners": [[0.0, 0.0], [50.0, 50.0]]}, "corners must hold the target"),
        ({"corners": [[75.0, 75.0], [75.0, 275.0]]}, "corners must be two points"),
        ({"corners": [75.0, 275.0]}, "corners must be two points"),
        ({"n_per_side": 0}, "n_per_side must be a whole number"),
        ({"target": 1}, "target must be < 1"),
        ({"snr": [1.0, -1.0, 1.0, 1.0]}, "snr must be >= 0"),
        ({"corners": [[-200.0, -200.0], [200.0, 200.0]], "n_per_side": 1}, "on an access point"),
        ({"scene": None}, "scene must be a MonostaticScene with OFDM"),
        ({"scene": "otfs"}, "scene must be a MonostaticScene with OFDM"),
    ],
)
def test_bad_scenes_are_refused(changes, match):
    if changes.get("scene") == "otfs":
        changes["scene"] = MonostaticScene(
            aps=[[0.0, 0.0]], targets=[[160.0, 190.0]], n_antennas=4, waveform=OTFS(64, 16, 120e3),
            carrier_frequency=3.5e9, noise_figure_db=7.0, transmit_power=0.01,
        )  # fmt: skip
    good = {"scene": corner_scene(), "corners": BOX, "n_per_side": 4}
    with pytest.raises(ValueError, match=match):
        threshold.landscape(**good | changes)


def test_bad_position_bounds_are_refused():
    scene = corner_scene()
    for snr, box, fading, match in (
        ([1.0, 1.0], BOX, "phase", r"snr must have shape \(\.\.\., 4\)"),
        ([1.0] * 4, [[0.0, 0.0]], "phase", "corners must be two points"),
        ([1.0] * 4, BOX, "fast", "fading must be"),
        ([-1.0] * 4, BOX, "phase", "snr must be >= 0"),
    ):
        with pytest.raises(ValueError, match=match):
            threshold.ziv_zakai_position(scene, snr, box, fading=fading)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"snr": -1.0}, "snr must be >= 0"),
        ({"spread": 0.0}, "spread must be > 0"),
        ({"width": -1.0}, "width must be > 0"),
        ({"place": 2.0}, r"place must be in \[0, width\]"),
        ({"n_cells": 0}, "n_cells must be a whole number"),
    ],
)
def test_bad_lines_are_refused(changes, match):
    good = {"snr": 1.0, "correlation": flat, "spread": 1.0, "width": 1.0}
    with pytest.raises(ValueError, match=match):
        threshold.line(**good | changes)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"snr": [1.0, 2.0]}, "correlation must have shape"),
        ({"correlation": [[1.5]]}, "correlation must be <= 1"),
        ({"metric": np.ones((1, 1))}, "metric must have shape"),
        ({"truth_metric": 1.0}, "must have shape"),
        ({"volumes": [0.0]}, "volumes must be > 0"),
        ({"squared_error": [-1.0]}, "squared_error must be >= 0"),
        ({"n_keep": 2}, "n_keep must be <= 1"),
    ],
)
def test_bad_landscapes_are_refused(changes, match):
    good = {
        "snr": [1.0], "correlation": [[0.0]], "metric": np.ones((1, 1, 1, 1)),
        "truth_metric": np.ones((1, 1, 1)), "volumes": [1.0], "squared_error": [1.0],
    }  # fmt: skip
    with pytest.raises(ValueError, match=match):
        threshold.Landscape(**good | changes)


def test_other_bad_input_is_refused():
    one = Paths([5.0], np.eye(1), np.ones((1, 1, 1)))
    for call, match in (
        (lambda: threshold.rivals(one), "landscape must be a Landscape"),
        (lambda: threshold.rivals(circle(1.0), np.inf), "boost_db must be finite"),
        (lambda: threshold.rivals(circle(1.0), 400.0), "boost_db must be in"),
        (lambda: threshold.snr_at(1.0, circle(1.0)), "ratio must be > 1"),
        (lambda: threshold.snr_at(1.1, []), "landscapes must be a Landscape or a sequence"),
        (lambda: threshold.snr_at(1.1, [one]), "landscapes must be a Landscape or a sequence"),
        (lambda: threshold.strangers(circle(1.0), 1.0, 1.0), "several must be Paths"),
        (lambda: threshold.strangers(one, 0.0, 1.0), "volumes must be > 0"),
        (lambda: threshold.strangers(one, 1.0, -1.0), "squared_error must be >= 0"),
        (lambda: threshold.local_covariance(circle(1.0)), "several must be Paths"),
        (lambda: threshold.local_covariance(one, [1.0, 2.0]), "branch_weights must broadcast"),
        (lambda: threshold.local_covariance(one, [-1.0]), "branch_weights must be >= 0"),
        (lambda: threshold.best_weights(-1.0), "snr must be >= 0"),
        (lambda: threshold.uniform(0), "n_samples must be a whole number"),
    ):
        with pytest.raises(ValueError, match=match):
            call()


def test_a_grating_lobe_is_refused():
    """An array of two groups has a lobe of r = 0.84 that decides all by itself."""
    places = np.array([0, 1, 2, 3, 12, 13, 14, 15.0])

    def alike(h):
        return np.abs(np.exp(2j * np.pi * np.multiply.outer(h, places)).mean(axis=-1))

    spread = (2 * np.pi) ** 2 * places.var()
    with pytest.raises(ValueError, match=r"landscape must hold no place far .* r\^2 of 0.6"):
        threshold.rivals(threshold.line(30.0, alike, spread, 1.0, circular=True))


def test_only_the_ratios_of_weights_matter():
    two = Paths([10.0, 2.0], np.eye(1), np.ones((2, 1, 1)))
    plain = threshold.local_covariance(two, [1.0, 0.5])
    for factor in (1e-200, 1e200):
        scaled = threshold.local_covariance(two, factor * np.array([1.0, 0.5]))
        np.testing.assert_allclose(scaled, plain, rtol=1e-12)


@pytest.mark.parametrize("fading", ["phase", "rayleigh"])
def test_places_too_alike_for_squares_are_equal(fading):
    for tiny in ([1e-200, 0.0], [1e-320, 1e-320]):
        assert threshold.pairwise_error([10.0, 10.0], tiny, fading) == 0.5
    alone = threshold.pairwise_error([10.0, 10.0], [1.0, 0.0], fading)
    assert threshold.pairwise_error([10.0, 10.0], [1.0, 1e-170], fading) == pytest.approx(alone)


def test_landscapes_beyond_memory_and_odd_correlations_are_named():
    scene = liu_scene(np.random.default_rng(1), n_targets=1)
    same = threshold.uniform(4)
    for match, call in (
        ("n_per_side must", lambda: threshold.landscape(scene, [[75, 75], [275, 275]], 10**9)),
        ("width must", lambda: threshold.line(1.0, same, 1.0, 1e308)),
        ("width must", lambda: threshold.ziv_zakai(1.0, same, 1e308)),
        ("snr must", lambda: threshold.landscape(scene, [[75, 75], [275, 275]], 4, snr=[1, 2])),
        ("n_cells must", lambda: threshold.line(1.0, same, 1.0, 1.0, n_cells=10**10)),
        ("circular must", lambda: threshold.line(1.0, same, 1.0, 1.0, circular="no")),
        ("circular must", lambda: threshold.ziv_zakai(1.0, same, 1.0, circular=1)),
        ("correlation must", lambda: threshold.line(1.0, lambda h: "a", 1.0, 1.0)),
        ("correlation must", lambda: threshold.line(1.0, lambda h: None, 1.0, 1.0)),
        ("h must", lambda: same("x")),
        ("h must", lambda: same(np.nan)),
    ):
        with pytest.raises(ValueError, match=f"^{match}"):
            call()
