"""The oracle itself: a comparison that cannot fail would hide what is wrong elsewhere."""

import numpy as np
import oracle
import pytest

AT = np.array([0.3, -0.7])


def function(x):
    return np.array([np.exp(1j * x[0] * x[1]), x[0] ** 3 + 2 * x[1]])


def exact(x):
    turn = np.exp(1j * x[0] * x[1])
    return np.array([[1j * x[1] * turn, 1j * x[0] * turn], [3 * x[0] ** 2, 2]])


@pytest.mark.parametrize(("order", "step"), [(2, 1e-5), (4, 1e-3), (8, 0.05)])
def test_derivatives_are_those_of_a_known_function(order, step):
    found = oracle.derivatives(function, AT, step, order)
    np.testing.assert_allclose(found, exact(AT), atol=1e-9)


@pytest.mark.parametrize("order", [2, 4, 8])
def test_differences_have_the_order_that_they_claim(order):
    """Halving the step divides the error by 2^order."""
    errors = [
        np.abs(oracle.derivatives(lambda x: np.exp(x[0]), [0.0], step, order) - 1).max()
        for step in (0.5, 0.25)
    ]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.15)


def test_each_parameter_has_its_own_step_and_any_shape_is_kept():
    steps = []

    def watched(x):
        steps.append(np.abs(x - AT))
        return np.ones((2, 3)) * x[0]

    found = oracle.derivatives(watched, AT, [1e-3, 10.0])
    assert found.shape == (2, 3, 2)
    np.testing.assert_allclose(found[..., 0], 1, rtol=1e-9)
    np.testing.assert_allclose(np.max(steps, axis=0), [4e-3, 40.0], rtol=1e-9)


def test_dense_information_is_the_gaussian_formula():
    slopes = exact(AT)
    expected = 2 / 0.4 * np.real(slopes.conj().T @ slopes)
    np.testing.assert_allclose(oracle.dense_fim(function, AT, 0.4, 0.05), expected, rtol=1e-9)


def test_without_nuisance_is_the_inverse_of_the_block_of_the_inverse():
    root = np.random.default_rng(1).normal(size=(9, 5)) * np.array([1, 1e6, 1e-6, 1, 1e3])
    fim = root.T @ root
    kept = np.linalg.inv(np.linalg.inv(fim)[np.ix_([0, 2, 4], [0, 2, 4])])
    oracle.assert_matrices_close(oracle.without(fim, [1, 3]), kept, 1e-9)


NAMES = ("x", "y")


@pytest.mark.parametrize(
    ("entry", "by", "message"),
    [
        ((1, 1), 4e4 * 2e-6, "at y:"),
        ((0, 1), 2e2 * 2e-6, "at x and y:"),
        ((0, 0), np.inf, "deviation inf"),
        ((1, 0), np.nan, "deviation inf"),
    ],
)
def test_a_deviation_is_named_with_its_parameter(entry, by, message):
    expected = np.array([[1.0, 3.0], [3.0, 4e4]])
    actual = expected.copy()
    actual[entry] += by
    with pytest.raises(AssertionError, match=message):
        oracle.assert_matrices_close(actual, expected, 1e-6, NAMES)
    if np.isfinite(by):
        oracle.assert_matrices_close(actual, expected, 1e-5, NAMES)


def test_the_block_and_the_matrix_of_a_deviation_are_named():
    expected = np.stack([np.eye(4)] * 3)
    actual = expected.copy()
    actual[2, 3, 3] = 2
    with pytest.raises(AssertionError, match=r"y of block 1, matrix \(2,\): got 2, expected 1"):
        oracle.assert_matrices_close(actual, expected, 1e-6, NAMES)
    with pytest.raises(AssertionError, match="parameter 3"):
        oracle.assert_matrices_close(actual, expected, 1e-6)


def test_equal_infinities_are_equal_and_zero_scales_count_as_one():
    infinite = np.diag([np.inf, 2.0])
    oracle.assert_matrices_close(infinite, infinite, 1e-9)
    oracle.assert_matrices_close(np.diag([1e-10, 1.0]), np.diag([0.0, 1.0]), 1e-9)
    with pytest.raises(AssertionError, match="parameter 0"):
        oracle.assert_matrices_close(np.diag([1e-3, 1.0]), np.diag([0.0, 1.0]), 1e-9)
