"""EM from pilots and data: exact without noise, a fixed point of the likelihood, on its bounds."""

import numpy as np
import pytest
import sympy as sp

from cfisac.arrays import UniformLinearArray
from cfisac.estimators import angle_ml, pilot_data

ARRAY = UniformLinearArray(8)
SPACING = 1e6  # Hz


def cn(rng, *shape):
    return rng.normal(size=(*shape, 2)) @ [1, 1j] / np.sqrt(2)


def qpsk(rng, *shape):
    return (rng.choice([-1, 1], (*shape, 2)) @ [1, 1j]) / np.sqrt(2)


def stochastic_fim(covariance, theta, step=1e-6):
    """FIM of zero-mean Gaussian samples, by finite differences of their covariance."""
    inverse = np.linalg.inv(covariance(theta))
    white = [
        inverse @ (covariance(theta + h) - covariance(theta - h)) / (2 * step)
        for h in step * np.eye(len(theta))
    ]
    return np.einsum("aij,bji->ab", white, white).real


# ------------------------------------------------------------------------ what unknown data tell


@pytest.mark.parametrize("snr", [0.3, 2.0, 80.0])
def test_an_array_keeps_gamma_over_one_plus_gamma_of_its_angle(snr):
    """chi = N rho / (1 + N rho), the gain being unknown, against the FIM of known data."""
    gain = np.sqrt(snr) * np.exp(0.4j)

    def covariance(theta):
        beam = (theta[1] + 1j * theta[2]) * ARRAY.steering(theta[0])
        return np.eye(8) + np.outer(beam, beam.conj())

    fim = stochastic_fim(covariance, np.array([0.3, gain.real, gain.imag]))
    taken = fim[0, 1:] @ np.linalg.pinv(fim[1:, 1:], rcond=1e-8) @ fim[1:, 0]
    known = 2 * snr * (ARRAY.kappa * np.cos(0.3)) ** 2 * ARRAY.index_variance
    assert (fim[0, 0] - taken) / known == pytest.approx(snr / (1 + snr), rel=1e-5)


def test_an_absolute_delay_gets_nothing_and_a_difference_half():
    """Two access points, one symbol of 16 tones, gains unknown; known data tell J of each delay.

    One delay known, the other not: J / 2 times Gamma / (1 + Gamma), both hearing alike.
    """
    tones, snr = np.arange(16) - 7.5, 5.0  # of one access point, one tone

    def covariance(theta):
        gains = theta[2::2] + 1j * theta[3::2]
        h = gains[:, None] * np.exp(-1j * tones * theta[:2, None])
        whole = np.zeros((32, 32), complex)
        for k in range(16):
            at = [k, 16 + k]
            whole[np.ix_(at, at)] = np.eye(2) + np.outer(h[:, k], h[:, k].conj())
        return whole

    fim = stochastic_fim(covariance, np.array([0.1, -0.2, np.sqrt(snr), 0, 0, np.sqrt(snr)]))
    taken = fim[:2, 2:] @ np.linalg.pinv(fim[2:, 2:], rcond=1e-8) @ fim[2:, :2]
    left = fim[:2, :2] - taken
    known = 2 * snr * np.sum(tones**2)
    share = 2 * snr / (1 + 2 * snr)
    np.testing.assert_allclose(left.sum(), 0, atol=1e-5 * known)  # both later: nothing
    np.testing.assert_allclose(left, known * share / 2 * np.array([[1, -1], [-1, 1]]), rtol=1e-5)


def test_the_half_by_algebra():
    """Slepian and Bangs for two phases, any SNRs: rho_1 rho_2 / (rho_1 + rho_2), as resistors."""
    r1, r2, t = sp.symbols("rho_1 rho_2 t", positive=True)
    turn = sp.symbols("psi", real=True)
    h = sp.Matrix([sp.sqrt(r1) * sp.exp(sp.I * turn), sp.sqrt(r2)])
    covariance = sp.eye(2) + h * h.H
    white = covariance.inv() * covariance.diff(turn)
    found = sp.simplify((white * white).trace())
    gamma = r1 + r2
    assert sp.simplify(found - 2 * gamma / (1 + gamma) * r1 * r2 / gamma) == 0
    equal = sp.simplify(found.subs({r1: t, r2: t}) / (2 * t))  # over that of known data
    assert sp.limit(equal, t, sp.oo) == sp.Rational(1, 2)


# --------------------------------------------------------------------------------- the estimator


@pytest.mark.parametrize("data", ["gaussian", "qpsk"])
@pytest.mark.parametrize("seed", range(5))
def test_without_noise_it_finds_the_truth(seed, data):
    rng = np.random.default_rng(seed)
    phi, gain = rng.uniform(-1.2, 1.2, 3), cn(rng, 3)
    draw = cn if data == "gaussian" else qpsk
    symbols = draw(rng, 20)
    heard = (gain[:, None] * ARRAY.steering(phi))[..., None] * symbols
    found = pilot_data.angle(heard, symbols[:5], ARRAY, 1e-12, data)
    assert found.converged
    np.testing.assert_allclose(found.value, phi, atol=1e-8)
    np.testing.assert_allclose(found.gain, gain, rtol=1e-6)

    delay, gains = rng.uniform(-0.4, 0.4, (2, 3)) / SPACING, cn(rng, 2, 3)
    blocks = draw(rng, 16, 6)
    turn = np.exp(-2j * np.pi * delay[..., None] * SPACING * np.arange(16))
    heard = (gains[..., None] * turn)[..., None] * blocks
    found = pilot_data.delays(heard, blocks[:, :2], SPACING, 1e-12, data)
    assert found.converged
    np.testing.assert_allclose(found.value, delay, atol=1e-8 / SPACING)
    np.testing.assert_allclose(found.gain, gains, rtol=1e-6)


def log_likelihood(heard, channel, pilots, variance, data):
    """Of one scene (R, K, T), channel (R, K): pilots, and data averaged over their law."""
    n_pilots = pilots.shape[-1]
    known = heard[..., :n_pilots] - channel[..., None] * pilots
    total = -np.sum(np.abs(known) ** 2) / variance
    for k in range(channel.shape[1]):
        h, rest = channel[:, k], heard[:, k, n_pilots:]
        if data == "gaussian":
            covariance = np.outer(h, h.conj()) + variance * np.eye(len(h))
            total -= np.sum((rest.conj() * np.linalg.solve(covariance, rest)).real)
            total -= rest.shape[-1] * np.linalg.slogdet(covariance)[1]
            continue
        points = np.array([1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j]) / np.sqrt(2)
        misfit = np.abs(rest[:, :, None] - h[:, None, None] * points) ** 2
        exponent = -misfit.sum(axis=0) / variance
        top = exponent.max(axis=-1)
        total += np.sum(top + np.log(np.mean(np.exp(exponent - top[:, None]), axis=-1)))
    return total


@pytest.mark.parametrize("data", ["gaussian", "qpsk"])
def test_each_step_climbs_the_likelihood_and_the_end_is_a_top(data):
    """EM's promise, for the likelihood written out anew; no step aside is higher."""
    rng = np.random.default_rng(8)
    draw = cn if data == "gaussian" else qpsk
    tones = np.arange(8)
    for _ in range(5):
        symbols = draw(rng, 8, 12)
        turn = np.exp(-1j * rng.uniform(-1, 1, (2, 1)) * tones)
        heard = (cn(rng, 2, 1) * 2 * turn)[..., None] * symbols + cn(rng, 2, 8, 12)
        pilots, last = symbols[:, :4], -np.inf

        def likelihood(gain, delay, heard=heard, pilots=pilots):
            channel = gain[:, None] * np.exp(-2j * np.pi * SPACING * delay[:, None] * tones)
            return log_likelihood(heard, channel, pilots, 1.0, data)

        for steps in (1, 2, 3, 5, 8, 200):
            found = pilot_data.delays(heard, pilots, SPACING, 1.0, data, max_steps=steps)
            here = likelihood(found.gain, found.value)
            assert here >= last - 1e-9
            last = here
        assert found.converged
        for _ in range(20):
            aside = found.value + 1e-4 * rng.normal(size=2) / SPACING
            gain = found.gain * (1 + 1e-4 * cn(rng, 2))
            assert likelihood(gain, aside) < last


def test_all_pilots_are_the_plain_estimator():
    rng = np.random.default_rng(9)
    pilots = cn(rng, 10)
    heard = 3 * ARRAY.steering(0.4)[:, None] * pilots + cn(rng, 4, 8, 10)
    found = pilot_data.angle(heard, pilots, ARRAY, 1.0)
    gain, phi = angle_ml.estimate(heard, pilots, ARRAY)
    assert found.n_iterations == 0
    np.testing.assert_allclose(found.value, phi, rtol=1e-12)
    np.testing.assert_allclose(found.gain, gain, rtol=1e-12)


def test_one_scene_at_a_time_is_all_at_once():
    """Scenes with pilots of their own."""
    rng = np.random.default_rng(10)
    symbols = cn(rng, 3, 16, 6)
    turned = np.exp(-1j * np.arange(16))[:, None] * symbols
    heard = turned[:, None] + 0.3 * cn(rng, 3, 2, 16, 6)
    whole = pilot_data.delays(heard, symbols[..., :3], SPACING, 0.09)
    for each, own, value in zip(heard, symbols, whole.value, strict=True):
        alone = pilot_data.delays(each, own[:, :3], SPACING, 0.09).value
        np.testing.assert_allclose(alone, value, rtol=1e-7)


def test_a_later_start_is_a_later_end():
    """All samples of one access point later by a share of the period: only its delay moves."""
    rng = np.random.default_rng(11)
    symbols, tones = cn(rng, 16, 6), np.arange(16)
    heard = symbols + 0.3 * cn(rng, 2, 16, 6)
    late = np.exp(-2j * np.pi * np.array([[0.0], [0.2]]) * tones)[..., None]
    before = pilot_data.delays(heard, symbols[:, :3], SPACING, 0.09).value
    after = pilot_data.delays(late * heard, symbols[:, :3], SPACING, 0.09).value
    np.testing.assert_allclose((after - before) * SPACING, [0.0, 0.2], atol=1e-8)


def test_em_is_on_the_bound_of_pilots_and_unknown_data():
    """Angle at Gamma = 2, P = D = 64, 1500 draws: the MSE of P + chi D pilots, to 4 sigma."""
    rng, snr, n = np.random.default_rng(12), 2.0, 1500
    pilots = np.ones(64)
    symbols = np.concatenate([np.ones((n, 64)), cn(rng, n, 64)], axis=1)
    heard = np.sqrt(snr) * ARRAY.steering(0.2)[:, None] * symbols[:, None] + cn(rng, n, 8, 128)
    found = pilot_data.angle(heard, pilots, ARRAY, 1.0)
    assert found.converged
    per_symbol = 2 * snr * (ARRAY.kappa * np.cos(0.2)) ** 2 * ARRAY.index_variance
    worth = 64 + 64 * snr / (1 + snr)
    ratio = np.mean((found.value - 0.2) ** 2) * worth * per_symbol
    assert abs(ratio - 1) < 4 * np.sqrt(2 / n) + 0.01  # 0.01: noise times noise at 21 dB


def test_too_few_steps_are_flagged():
    rng = np.random.default_rng(13)
    heard = ARRAY.steering(0.2)[:, None] * np.ones(30) + cn(rng, 8, 30)
    found = pilot_data.angle(heard, np.ones(3), ARRAY, 1.0, max_steps=1)
    assert not found.converged
    assert found.n_iterations == 1


def test_bad_input():
    heard, block = np.ones((8, 5)), np.ones((2, 4, 5))
    for call, words in (
        (lambda: pilot_data.angle(heard[:7], np.ones(2), ARRAY, 1.0), "L = 8, the array's"),
        (lambda: pilot_data.angle(heard, 1.0, ARRAY, 1.0), r"pilots must have shape"),
        (lambda: pilot_data.angle(heard, np.ones((3, 2)), ARRAY, 1.0), "more leading axes"),
        (lambda: pilot_data.angle(heard, np.ones(6), ARRAY, 1.0), "at most T = 5"),
        (lambda: pilot_data.angle(heard, np.zeros(2), ARRAY, 1.0), "must not all be zero"),
        (lambda: pilot_data.angle(heard, np.ones(2), ARRAY, 0.0), "noise_variance must be > 0"),
        (lambda: pilot_data.angle(heard, np.ones(2), ARRAY, 1.0, "bpsk"), "data must be"),
        (lambda: pilot_data.angle(heard * np.nan, np.ones(2), ARRAY, 1.0), "must be finite"),
        (lambda: pilot_data.angle(heard, np.ones(2), ARRAY, 1.0, tolerance=0), "tolerance must"),
        (lambda: pilot_data.angle(heard, np.ones(2), ARRAY, 1.0, max_steps=0), "max_steps must"),
        (lambda: pilot_data.delays(heard, np.ones((4, 2)), 1e6, 1.0), "A, K, T"),
        (lambda: pilot_data.delays(block, np.ones((3, 2)), 1e6, 1.0), r"shape \(\.\.\., 4, P\)"),
        (lambda: pilot_data.delays(block, np.ones((4, 2)), 0.0, 1.0), "subcarrier_spacing must"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_what_tells_nothing_is_refused():
    array, pilots = UniformLinearArray(8), np.ones(2)
    with pytest.raises(ValueError, match="observations must not be zero in all pilots"):
        pilot_data.angle(np.zeros((8, 4)), pilots, array, 1.0)
    with pytest.raises(ValueError, match=r"array must be .* at least 2 antennas"):
        pilot_data.angle(np.ones((1, 4)), pilots, UniformLinearArray(1), 1.0)
    with pytest.raises(ValueError, match="at least one receiver, tone and pilot"):
        pilot_data.angle(np.ones((8, 4)), np.ones(0), array, 1.0)


def test_sizes_whose_squares_are_no_numbers_are_named():
    array, seen = UniformLinearArray(4), np.ones((4, 6))
    tones = np.ones((2, 4, 6))
    for match, call in (
        ("observations must", lambda: pilot_data.angle(1e200 * seen, np.ones(3), array, 1.0)),
        ("observations must", lambda: pilot_data.angle(1e-200 * seen, np.ones(3), array, 1.0)),
        ("pilots must", lambda: pilot_data.angle(seen, 1e200 * np.ones(3), array, 1.0)),
        ("observations must", lambda: pilot_data.delays(1e200 * tones, np.ones((4, 3)), 1e6, 1.0)),
        ("subcarrier_spacing must", lambda: pilot_data.delays(tones, np.ones((4, 3)), 1e-320, 1.0)),
    ):
        with pytest.raises(ValueError, match=f"^{match}"):
            call()
