"""The uniform linear array: its vector, its derivative, its moments, and what it refuses."""

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from cfisac import arrays as forms
from cfisac import fisher
from cfisac.arrays import UniformLinearArray, projection

arrays = st.builds(UniformLinearArray, n_antennas=st.integers(1, 40), spacing=st.floats(0.05, 2.0))
angles = st.floats(-np.pi / 2, np.pi / 2)


def written_out(array, phi):
    """Entries of the steering vector one by one, as printed."""
    kappa = 2 * np.pi * array.spacing
    entries = [
        complex(np.cos(kappa * index * np.sin(phi)), np.sin(kappa * index * np.sin(phi)))
        for index in range(array.n_antennas)
    ]
    return np.array(entries) / np.sqrt(array.n_antennas)


def symbolic_ula():
    """L, l, kappa, phi, and entry l of a and of a' as SymPy expressions."""
    n_antennas, index = sp.symbols("L l", integer=True, positive=True)
    kappa, phi = sp.symbols("kappa phi", real=True)
    entry = sp.exp(sp.I * kappa * index * sp.sin(phi)) / sp.sqrt(n_antennas)
    return n_antennas, index, kappa, phi, entry, sp.diff(entry, phi)


def symbolic_moments():
    """L, q and eta of zhang (33), summed over the antennas for any L."""
    n_antennas, index, kappa, phi, entry, slope = symbolic_ula()

    def over_antennas(term):
        return sp.summation(sp.expand(sp.simplify(term)), (index, 0, n_antennas - 1))

    first = over_antennas(sp.conjugate(entry) * slope)
    second = over_antennas(sp.conjugate(slope) * slope)
    return n_antennas, kappa * sp.cos(phi), sp.factor(first), sp.factor(second)


@given(array=arrays, phi=angles)
def test_steering_is_the_written_out_vector(array, phi):
    """zhang (1), (71)."""
    np.testing.assert_allclose(array.steering(phi), written_out(array, phi), atol=1e-12)


@given(array=arrays, phi=angles)
def test_steering_has_unit_norm(array, phi):
    """zhang (1)."""
    assert np.linalg.norm(array.steering(phi)) == pytest.approx(1, rel=1e-13)


@given(array=arrays, phi=angles)
def test_steering_derivative_is_the_finite_difference(array, phi):
    """zhang (72), against a fourth-order difference of the written-out vector."""
    step = 1e-3 / (array.n_antennas * max(1.0, array.kappa))
    difference = oracle.derivatives(lambda at: written_out(array, at[0]), [phi], step, order=4)
    scale = array.kappa * array.n_antennas
    np.testing.assert_allclose(array.steering_derivative(phi), difference[:, 0], atol=1e-9 * scale)


def test_steering_derivative_is_the_symbolic_one():
    """zhang (72): SymPy's derivative of (71) is the printed one."""
    _, index, kappa, phi, entry, slope = symbolic_ula()
    assert sp.simplify(slope - entry * sp.I * kappa * index * sp.cos(phi)) == 0


def test_derivative_norm_is_the_sum_of_squares():
    """zhang (73), (74): eta for any L, and the closed form of the sum of l^2."""
    n_antennas, slope, _, eta = symbolic_moments()
    index = sp.symbols("l", integer=True)
    total = sp.summation(index**2, (index, 0, n_antennas - 1))
    assert sp.simplify(total - (n_antennas - 1) * n_antennas * (2 * n_antennas - 1) / 6) == 0
    assert sp.simplify(eta - slope**2 * total / n_antennas) == 0
    assert sp.simplify(eta - slope**2 * (n_antennas - 1) * (2 * n_antennas - 1) / 6) == 0


def test_first_moment_is_imaginary_and_the_second_the_norm():
    """zhang (33), (34), (79): q = a^H a' = j c with c = kappa cos(phi) (L - 1) / 2, and eta."""
    n_antennas, slope, first, eta = symbolic_moments()
    assert sp.simplify(first - sp.I * slope * (n_antennas - 1) / 2) == 0
    assert sp.simplify(eta - slope**2 * (n_antennas - 1) * (2 * n_antennas - 1) / 6) == 0


def test_spread_is_the_second_moment_minus_the_squared_mean():
    """zhang (35), (80): eta - c^2 = kappa^2 cos^2(phi) (L^2 - 1) / 12, from the sums."""
    n_antennas, slope, first, eta = symbolic_moments()
    spread = eta - (first / sp.I) ** 2
    assert sp.simplify(spread - slope**2 * (n_antennas**2 - 1) / 12) == 0


@given(array=arrays, phi=angles)
def test_moments_are_those_of_the_steering_vector(array, phi):
    """zhang (33), (79), (80): the properties against inner products of the vectors themselves."""
    vector, derivative = array.steering(phi), array.steering_derivative(phi)
    slope, scale = array.kappa * np.cos(phi), (array.kappa * array.n_antennas) ** 2
    first, second = np.vdot(vector, derivative), np.vdot(derivative, derivative).real
    assert first == pytest.approx(1j * slope * array.mean_index, abs=1e-12 * scale)
    assert second == pytest.approx(slope**2 * array.mean_square_index, abs=1e-12 * scale)
    spread = fisher.factor_covariance(vector, derivative[:, None])[0, 0]
    assert spread == pytest.approx(slope**2 * array.index_variance, abs=1e-12 * scale)


@given(array=arrays)
def test_moments_are_those_of_the_indices(array):
    indices = np.arange(array.n_antennas)
    assert array.mean_index == pytest.approx(np.mean(indices))
    assert array.mean_square_index == pytest.approx(np.mean(indices**2))
    assert array.index_variance == pytest.approx(np.var(indices))


@given(array=arrays, phi=angles, gain_phase=st.floats(0, 6.28), gain=st.floats(0.1, 10))
def test_spread_is_what_an_unknown_gain_leaves(array, phi, gain_phase, gain):
    """zhang (35): xi is the Schur complement of the dense FIM, for sigma^2 = 2 and one pilot."""
    alpha = gain * np.exp(1j * gain_phase)
    vector = array.steering(phi)
    columns = [alpha * array.steering_derivative(phi), vector, 1j * vector]
    dense = fisher.gaussian_fim(np.stack(columns, axis=1), noise_variance=2.0)
    xi = gain**2 * (array.kappa * np.cos(phi)) ** 2 * (array.n_antennas**2 - 1) / 12
    scale = gain**2 * (array.kappa * array.n_antennas) ** 2
    assert fisher.equivalent_fim(dense, 1)[0, 0] == pytest.approx(xi, abs=1e-12 * scale)


@given(array=arrays, phi=angles, reference=st.floats(-5, 45))
def test_moving_the_phase_reference_changes_a_common_phase_only(array, phi, reference):
    """A vector referenced elsewhere differs by one phase, and its spread not at all."""
    slope = array.kappa * projection(phi)
    offset = np.arange(array.n_antennas) - reference
    moved = np.exp(1j * offset * array.electrical_angle(phi)) / np.sqrt(array.n_antennas)
    derivative = 1j * slope * offset * moved
    np.testing.assert_allclose(np.abs(np.vdot(moved, array.steering(phi))), 1, rtol=1e-12)
    spread = fisher.factor_covariance(moved, derivative[:, None])[0, 0]
    own = fisher.factor_covariance(array.steering(phi), array.steering_derivative(phi)[:, None])
    scale = array.kappa**2 * 50.0**2
    assert spread == pytest.approx(own[0, 0], abs=1e-12 * scale)


@given(array=arrays, phi=angles)
def test_the_other_side_of_broadside_is_the_conjugate(array, phi):
    np.testing.assert_allclose(array.steering(-phi), array.steering(phi).conj(), atol=1e-14)
    np.testing.assert_array_equal(
        array.steering_derivative(-phi), -array.steering_derivative(phi).conj()
    )


@given(array=arrays, phi=angles)
def test_behind_the_array_looks_like_in_front(array, phi):
    """A line of antennas sees sin(phi) only: pi - phi gives the same vector."""
    scale = array.kappa * array.n_antennas
    np.testing.assert_allclose(array.steering(np.pi - phi), array.steering(phi), atol=1e-14 * scale)
    assert projection(np.pi - phi) == pytest.approx(-projection(phi), abs=1e-15)


@given(odd=st.integers(-50, 49))
def test_projection_is_exactly_zero_at_endfire(odd):
    assert projection((2 * odd + 1) * np.pi / 2) == 0
    assert np.all(UniformLinearArray(8).steering_derivative((2 * odd + 1) * np.pi / 2) == 0)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_endfire_is_endfire_in_every_precision(kind):
    assert projection(kind(np.pi / 2)) == 0
    assert projection(kind(1.5)) == pytest.approx(np.cos(float(kind(1.5))), rel=1e-12)


@given(phi=st.floats(-100, 100))
def test_projection_is_the_cosine(phi):
    assert projection(phi) == pytest.approx(np.cos(phi), abs=1e-13)


@pytest.mark.parametrize("distance", [1e-12, 1e-8, 1e-3])
def test_projection_is_not_zero_beside_endfire(distance):
    assert projection(np.pi / 2 - distance) == pytest.approx(distance, rel=1e-3)


def test_one_antenna_sees_no_angle():
    single = UniformLinearArray(1)
    assert single.index_variance == single.mean_index == single.mean_square_index == 0
    assert single.steering(0.7) == 1
    assert single.steering_derivative(0.7) == 0


def test_leading_axes_broadcast_and_the_input_is_kept():
    array, phi = UniformLinearArray(5), np.linspace(-1, 1, 6).reshape(2, 3)
    before = phi.copy()
    assert array.steering(phi).shape == array.steering_derivative(phi).shape == (2, 3, 5)
    np.testing.assert_array_equal(array.steering(phi)[1, 2], array.steering(phi[1, 2]))
    np.testing.assert_array_equal(phi, before)


def test_kappa_is_the_electrical_spacing():
    """kappa = 2 pi d / lambda: pi at half a wavelength, the default."""
    assert UniformLinearArray(4).kappa == pytest.approx(np.pi)
    assert UniformLinearArray(4, 0.25).electrical_angle(np.pi / 2) == pytest.approx(np.pi / 2)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int32, np.float32, np.array])
def test_small_integer_types_do_not_overflow(kind):
    """100 squared does not fit into int8, and a wrapped variance would be a wrong bound."""
    array, plain = UniformLinearArray(kind(100), kind(1)), UniformLinearArray(100, 1.0)
    assert array == plain
    assert hash(array) == hash(plain)
    assert array.index_variance == plain.index_variance == pytest.approx(np.var(np.arange(100)))
    assert array.mean_square_index == pytest.approx(np.mean(np.arange(100) ** 2))


@pytest.mark.parametrize("bad", [0, -3, 2.5, np.nan, np.inf, None, "8", 2j, [4, 8], 1e30])
def test_antennas_that_cannot_be_counted_are_refused(bad):
    with pytest.raises(ValueError, match="n_antennas must be"):
        UniformLinearArray(bad)


@pytest.mark.parametrize("bad", [0, -0.5, np.nan, np.inf, None, "0.5", 1j, [0.5, 0.5]])
def test_spacing_must_be_one_positive_number(bad):
    with pytest.raises(ValueError, match="spacing must be"):
        UniformLinearArray(4, bad)


@pytest.mark.parametrize("bad", [np.nan, [0.1, np.inf], 0.1 + 0.2j, "0.3", [[0.1], [0.2, 0.3]]])
@pytest.mark.parametrize(
    "function",
    [
        projection,
        UniformLinearArray(4).electrical_angle,
        UniformLinearArray(4).steering,
        UniformLinearArray(4).steering_derivative,
    ],
)
def test_an_angle_that_is_not_finite_and_real_is_refused(function, bad):
    with pytest.raises(ValueError, match="phi must be"):
        function(bad)


# ------------------------------------------------------------------------- a beam that follows


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_matched_beam_is_one_more_row(dimension):
    """``v = a`` written out at every direction, against the closed form without it."""
    rng = np.random.default_rng(dimension)
    elements = rng.normal(size=(6, dimension))
    unit = rng.normal(size=(9, dimension))
    unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
    beams = rng.normal(size=(2, 6, 2)) @ [1, 1j]
    eta = rng.uniform(0.1, 3, 9)
    row = np.sqrt(eta)[:, None] * forms.steering(elements, unit).conj()
    whole = np.concatenate([np.broadcast_to(beams, (9, 2, 6)), row[:, None]], axis=1)
    expected = forms.beam_aperture(elements, unit, whole)
    found = forms.beam_aperture(elements, unit, beams, eta)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    for one, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(one.T @ one, other.T @ other, atol=1e-11)
    for one, other in zip(
        forms.beam_aperture(elements, unit, beams, 0.0),
        forms.beam_aperture(elements, unit, beams), strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(np.abs(one), np.abs(other), atol=1e-11)


def test_a_matched_beam_alone_has_no_aperture():
    elements = forms.circular(5, 0.7)
    power, rows = forms.beam_aperture(elements, [0.6, 0.8], np.zeros((1, 5)), 2.0)
    assert power == 2.0
    assert not np.any(rows)


@pytest.mark.parametrize("matched", [-1.0, np.nan, np.ones(3)])
def test_a_matched_beam_refuses(matched):
    unit = [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(ValueError, match="matched"):
        forms.beam_aperture(forms.linear(4), unit, np.ones((1, 4)), matched)
