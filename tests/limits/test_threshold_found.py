"""The chance of finding the truth: fields that are drawn, and what two access points share."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import gammaincc

from cfisac.limits import _threshold_count as count
from cfisac.limits import _threshold_found as found
from cfisac.limits import threshold


def complex_normal(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def spread(n):
    return (2 * np.pi) ** 2 * (n**2 - 1) / 12


def test_size_of_a_region_is_a_mean_over_shares():
    """Two access points that tell a number each: E sqrt(w (1 - w)) = pi / 8, not one half."""
    each = np.array([[np.diag([4.0, 0.0]), np.diag([0.0, 9.0])]])
    assert found.region_size(each)[0] == pytest.approx(6 * np.pi / 8, rel=0.02)
    same = np.full((1, 3, 1, 1), 5.0)
    assert found.region_size(same)[0] == pytest.approx(np.sqrt(5.0), rel=1e-12)


def test_nodes_have_the_moments_of_what_is_heard():
    snr = np.array([2.0, 30.0])
    energies, climbed = found.heard(snr, 4)
    assert energies.mean(axis=0) == pytest.approx(snr + 1, rel=0.03)
    assert energies.std(axis=0) == pytest.approx(np.sqrt(2 * snr + 1), rel=0.1)
    assert climbed.mean() == pytest.approx(2.0, rel=0.03)


def test_highest_peak_of_noise_of_two_access_points_in_a_square():
    """P(max > x) of drawn fields that differ in shape, and of the count with the edge and without.

    8000 draws, five deviations and 6 % for the model; without the edge a third of them is gone.
    """
    rng, n, fine, width = np.random.default_rng(3), 8000, 128, 16  # a square of one and two cells
    sizes = ((8, 16), (16, 8))
    metric = np.array([np.diag([spread(a), spread(b)]) for a, b in sizes])
    area, top = (width / fine) ** 2, np.zeros(n)
    for start in range(0, n, 500):
        field = 0.0
        for a, b in sizes:
            noise = complex_normal(rng, 500, a, b)
            half = np.fft.fft(noise, fine, axis=1)[:, : width + 1]
            field = field + np.abs(np.fft.fft(half, fine, axis=2)[:, :, : width + 1]) ** 2 / a / b
        top[start : start + 500] = field.max(axis=(1, 2))
    area = area * found.region_size(metric[None])[0]
    sides = [found.region_size(metric[None, :, [k]][..., [k]])[0] for k in (0, 1)]
    edge = (width / fine) * sum(sides)  # half of four sides
    for level in (6.0, 8.0, 10.0):
        at = np.array([level])
        inner = area * count.peak_density(at, 2, 2)[0]
        whole = -np.expm1(-inner - edge * count.peak_density(at, 2, 1)[0])
        share = np.mean(top > level)
        deviation = np.sqrt(share * (1 - share) / n)
        assert abs(share - whole) < 5 * deviation + 0.06 * whole
        assert -np.expm1(-inner) < 0.8 * share


EVEN = np.arange(-0.5, 0.5, 1 / 64) + 1 / 128, np.full(64, 1 / 64)  # places, and their widths


def cross(snr, along=EVEN, n=16):
    """Two access points on a torus: one tells x, the other y."""
    x, y = (each.ravel() for each in np.meshgrid(along[0], EVEN[0]))
    volumes = np.outer(EVEN[1], along[1]).ravel()
    rival = (np.abs(x) >= 1 / n) | (np.abs(y) >= 1 / n)
    alike = np.column_stack([threshold.uniform(n)(x), threshold.uniform(n)(y)])[rival]
    metric = np.array([np.diag([spread(n), 0.0]), np.diag([0.0, spread(n)])])
    places = np.broadcast_to(metric, (rival.sum(), 2, 2, 2))
    return threshold.Landscape(snr, alike, places, metric, volumes[rival], (x**2 + y**2)[rival])


def alone(snr, n=16):
    """One access point of :func:`cross`."""
    places = np.abs(EVEN[0]) >= 1 / n
    y, sharp = EVEN[0][places], np.full((1, 1, 1), spread(n))
    metric = np.broadcast_to(sharp, (len(y), 1, 1, 1))
    return threshold.Landscape(
        [snr], threshold.uniform(n)(y)[:, None], metric, sharp, EVEN[1][places], y**2
    )


@pytest.mark.parametrize("snr_db", [8.0, 10.0])
def test_rivals_on_the_cross_share_an_access_point(snr_db):
    """Each access point finds its own number, so both are found with the square of the chance.

    20 000 draws. The count is right for one; for both it is up to 0.08 too low, for all rivals with
    the same x share the noise of the first access point and are counted as if they did not. As
    strangers the same places are hardly ever louder: they would have to beat both at once.
    """
    rng, n, snr = np.random.default_rng(4), 20_000, 10 ** (snr_db / 10)
    received = complex_normal(rng, n, 16) + np.sqrt(snr / 16)
    place = np.argmax(np.abs(np.fft.fft(received, 256, axis=1)), axis=1)
    right = np.mean(np.minimum(place, 256 - place) < 16)
    deviation = np.sqrt(right * (1 - right) / n)
    assert abs(threshold.found_probability(alone(snr)) - right) < 5 * deviation + 0.01
    here = cross([snr, snr])
    both = float(threshold.found_probability(here))
    strangers = float(threshold.found_probability(replace(here, correlation=0 * here.correlation)))
    assert right**2 - 0.08 < both < right**2 + 5 * deviation
    assert 1 - strangers < 0.5 * (1 - right**2)


def test_more_snr_finds_more_and_shapes_are_kept():
    here = cross([1.0, 1.0])
    chances = threshold.found_probability(here, [[0.0, 6.0, 9.0], [12.0, 15.0, 40.0]])
    assert chances.shape == (2, 3)
    assert np.all(np.diff(chances.ravel()) > 0)
    assert chances[1, 2] == pytest.approx(1.0, abs=1e-12)
    assert threshold.found_probability(here, 9.0, 20.0) < chances[0, 2]
    assert threshold.found_probability(here, -300.0) < 0.03


def test_logarithm_of_the_peak_density():
    level = np.array([0.5, 3.0, 12.0, 40.0])
    for n, d in ((1, 1), (2, 2), (4, 4), (1, 3)):
        with np.errstate(divide="ignore"):
            expected = np.log(count.peak_density(level, n, d))
        np.testing.assert_allclose(count.log_peak_density(level, n, d), expected, rtol=1e-12)
    np.testing.assert_allclose(
        count.log_peak_density(level, 3, 0), np.log(gammaincc(3, level)), rtol=1e-12
    )
    assert np.all(np.isfinite(count.log_peak_density(np.array([1e3, 1e6]), 4, 4)))


def test_one_loud_access_point_does_not_hide_what_the_other_lacks():
    """x is certain at 40 dB; y is found as often as by the second access point alone."""
    fine = np.arange(-0.002, 0.002, 1e-4) + 5e-5
    far = EVEN[0][np.abs(EVEN[0]) > 0.02]
    along = np.append(fine, far), np.append(np.full(len(fine), 1e-4), np.full(len(far), 1 / 64))
    uneven = cross([1e4, 10**0.9], along)
    one = float(threshold.found_probability(alone(10**0.9)))
    assert 0.6 < one < 0.95
    assert threshold.found_probability(uneven) == pytest.approx(one, abs=0.06)


def test_bad_input_is_named():
    here = cross([1.0, 1.0])
    for words, arguments in (
        ("landscape must be a Landscape", (None,)),
        ("boost_db must be in", (here, 301.0)),
        ("boost_db", (here, np.nan)),
        ("edge", (here, 0.0, -1.0)),
        ("edge", (here, 0.0, np.inf)),
        ("tell all parameters", (replace(here, metric=0 * here.metric),)),
    ):
        with pytest.raises(ValueError, match=words):
            threshold.found_probability(*arguments)
