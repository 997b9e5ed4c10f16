"""The FIM of a function: equal to that of written derivatives, whatever the units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfisac import fisher
from cfisac.waveforms import OTFS

INDEX = np.arange(12) - 5.5


def path(parameters):
    """Gain, angle and a delay in s of a path seen by 12 antennas at 4 frequencies."""
    gain = parameters[..., 0] + 1j * parameters[..., 1]
    by_antenna = np.exp(1j * parameters[..., 2, None] * INDEX)
    by_frequency = np.exp(-2j * np.pi * parameters[..., 3, None] * np.array([0, 1, 2, 5]) * 1e8)
    samples = by_antenna[..., :, None] * by_frequency[..., None, :]
    return (gain[..., None, None] * samples).reshape(*parameters.shape[:-1], -1)


def written(parameters):
    """Its derivatives, by hand."""
    gain = parameters[..., 0] + 1j * parameters[..., 1]
    plain = path(
        np.stack([1 + 0 * gain.real, 0 * gain.real, *np.moveaxis(parameters[..., 2:], -1, 0)], -1)
    )
    shape = *parameters.shape[:-1], 12, 4
    value = (gain[..., None] * plain).reshape(shape)
    by_angle = 1j * INDEX[:, None] * value
    by_delay = -2j * np.pi * 1e8 * np.array([0, 1, 2, 5]) * value
    rows = plain, 1j * plain, by_angle, by_delay
    return np.stack([each.reshape(plain.shape) for each in rows], axis=-1)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(-9, 9))
def test_the_written_derivatives_in_any_unit(seed, decade):
    rng = np.random.default_rng(seed)
    at = rng.normal(size=(3, 2, 4)) * [1, 1, 0.5, 1e-9]
    unit = np.array([1.0, 1.0, 10.0**decade, 10.0**-decade])
    expected = fisher.gaussian_fim(written(at), 0.3)
    got = fisher.fim_of(lambda p: path(p * unit), at / unit, 0.3)
    scale = np.sqrt(np.einsum("...ii->...i", expected))
    outer = scale[..., :, None] * scale[..., None, :]
    np.testing.assert_allclose(got / (unit[:, None] * unit), expected, atol=1e-7 * outer.max())
    np.testing.assert_allclose(got / (unit[:, None] * unit) / outer, expected / outer, atol=1e-7)


def test_an_operator_without_a_closed_derivative():
    """The delay and Doppler shift of an OTFS frame: the closed covariance of the module."""
    frame = OTFS(6, 5, 1e5)
    rng = np.random.default_rng(2)
    symbols = np.exp(1j * rng.uniform(-np.pi, np.pi, (400, 30)))

    def signal(p):
        both = [frame.operator(d, n) for d, n in p[..., 2:].reshape(-1, 2)]
        gain = (p[..., 0] + 1j * p[..., 1]).reshape(-1, 1, 1)
        seen = gain * (symbols[None] @ np.swapaxes(np.array(both), -1, -2))
        return seen.reshape(*p.shape[:-1], -1)

    fim = fisher.fim_of(signal, [1.0, 0.5, 2.3e-6, 700.0], 1.0)
    left = fisher.equivalent_fim(fim[np.ix_([2, 3, 0, 1], [2, 3, 0, 1])], 2) / 400
    expected = 2 * 1.25 * 30 * frame.delay_doppler_covariance()
    np.testing.assert_allclose(np.diag(left), np.diag(expected), rtol=0.05)  # 400 draws


def test_what_the_signal_ignores_has_no_information():
    """A parameter nobody sees, and a direction in which two of them cancel."""

    def signal(p):
        both = p[..., :1] - p[..., 1:2]
        return np.concatenate([both, np.sin(both), 0 * both + 3.0], axis=-1)

    fim = fisher.fim_of(signal, [0.3, 0.1, 5.0], 1.0)
    assert not np.any(fim[2])
    bound = fisher.crlb(fim)
    assert np.all(np.isinf(np.diag(bound)))
    one = fisher.fim_of(lambda p: np.zeros((*p.shape[:-1], 4)), [1.0], 1.0)
    assert one == 0


def test_given_steps_and_functions_of_one_set_only():
    single = np.vectorize(lambda p: np.exp(1j * p[0] * np.arange(3)), signature="(k)->(n)")
    expected = 2 * (1 + 4)
    for steps in (None, 0.1, [1e-2]):
        np.testing.assert_allclose(fisher.fim_of(single, [0.0], 1.0, steps), [[expected]])
    batch = fisher.fim_of(single, np.zeros((2, 3, 1)), [1.0, 2.0, 4.0])
    np.testing.assert_allclose(batch[:, :, 0, 0], np.tile([10, 5, 2.5], (2, 1)))


def test_bad_input_is_named():
    good = lambda p: p * 1.0  # noqa: E731
    for arguments, named in (
        ((good, [np.nan], 1.0), "parameters"),
        ((good, np.zeros((2, 0)), 1.0), "parameters"),
        ((good, [1.0], 0.0), "noise_variance"),
        ((good, [1.0], 1.0, -1.0), "steps"),
        ((good, [1.0], 1.0, np.ones((2, 1))), "steps"),
        ((lambda p: p[..., 0], [1.0], 1.0), "signal must take"),
        ((lambda p: np.array(["a"] * p.size).reshape(p.shape), [1.0], 1.0), "numbers"),
        ((lambda p: p + np.inf, [1.0], 1.0), "finite"),
        ((good, np.ones((2, 1)), np.ones(3)), "noise_variance"),
    ):
        with pytest.raises(ValueError, match=named):
            fisher.fim_of(*arguments)
    for rough in (np.cbrt, np.sign, lambda x: np.sqrt(np.abs(x)) * np.sign(x)):
        with pytest.raises(RuntimeError, match=r"by parameter 1: sample 0 .*\(status -"):
            fisher.fim_of(lambda p, f=rough: f(p[..., 1:] - 1.0) + p[..., :1], [0.0, 1.0], 1.0)


@pytest.mark.parametrize("turns", [1, 10, 100, 1e10])
@pytest.mark.parametrize("at", [0.0, 1.0, 2.0, 0.3])
def test_whole_periods_are_no_silence(at, turns):
    """A step of whole periods changes nothing; the signal is not constant for that."""
    at = at if turns < 1e9 else at * 1e-7
    phase = 2 * np.pi * turns
    tone = fisher.fim_of(lambda p: np.exp(1j * phase * p * np.arange(3)), [at], 1.0)
    np.testing.assert_allclose(tone, [[2 * 5 * phase**2]], rtol=1e-7)
    wave = fisher.fim_of(lambda p: 2 + np.sin(phase * p + 1), [at], 1.0)
    np.testing.assert_allclose(wave, [[2 * (phase * np.cos(phase * at + 1)) ** 2]], rtol=1e-4)


def test_a_small_ripple_sets_the_step():
    fim = fisher.fim_of(lambda p: 1 + 1e-4 * np.sin(p * 1e6), [0.3], 1.0)
    np.testing.assert_allclose(fim, [[2e4 * np.cos(3e5) ** 2]], rtol=1e-4)


def test_signal_may_use_its_argument_up():
    def spoils(p):
        samples = path(p.copy())
        p *= 0.0
        return samples

    at = np.array([1.0, 0.5, 0.3, 2e-9])
    np.testing.assert_array_equal(fisher.fim_of(spoils, at, 1.0), fisher.fim_of(path, at, 1.0))
    np.testing.assert_array_equal(at, [1.0, 0.5, 0.3, 2e-9])


def test_a_kink_is_refused_and_a_bend_is_not():
    with pytest.raises(RuntimeError, match="by parameter 1: its slope is not the same"):
        fisher.fim_of(lambda p: p[..., :1] + np.abs(p[..., 1:] - 3.0), [1.0, 3.0], 1.0)
    for bend in (np.square, np.cos, np.cosh, lambda p: 1 + p**3, lambda p: p**4):
        assert fisher.fim_of(bend, [0.0], 1.0) == pytest.approx(0.0, abs=1e-12)


def test_more_bad_input_is_named():
    good = lambda p: p * 1.0  # noqa: E731
    for arguments, named in (
        ((3, [1.0], 1.0), "signal must be a function"),
        ((lambda p: [[1], [1, 2]], [1.0], 1.0), "signal must take"),
        ((good, [1.0], 1.0, 1e-30), "steps must be more than the rounding"),
        ((good, [1.0, 2.0], 1.0, [1e-3] * 3), "steps and parameters must broadcast"),
        ((lambda p: 1 + p * 1e200, [1e-200], 1.0), "parameters must be in units"),
    ):
        with pytest.raises(ValueError, match=named):
            fisher.fim_of(*arguments)
