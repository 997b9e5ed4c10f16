"""zhang's printed forms, typed in as they stand, against brute force for any M, L and T."""

import itertools
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cfisac.limits import information

QUICK = settings(deadline=None, max_examples=40)
SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Network:
    """M access points with L antennas each see T pilots of modulus one, (1)-(3) written out."""

    gain: np.ndarray  # (M,)
    phi: np.ndarray  # (M,)
    n_antennas: int
    kappa: float
    n_pilots: int
    noise_variance: float

    @classmethod
    def draw(cls, seed, n_aps=None):
        rng = np.random.default_rng(seed)
        n_aps = n_aps or int(rng.integers(1, 6))
        gain = 10 ** rng.uniform(-0.5, 0.5, n_aps) * np.exp(2j * np.pi * rng.random(n_aps))
        sizes = int(rng.integers(2, 17)), rng.uniform(1.0, 6.0), int(rng.integers(1, 9))
        return cls(gain, rng.uniform(-1.3, 1.3, n_aps), *sizes, 10 ** rng.uniform(-1, 1))

    @property
    def n_aps(self):
        return len(self.gain)

    @property
    def theta(self):
        """(23)."""
        return np.stack([self.gain.real, self.gain.imag, self.phi], axis=1).ravel()

    def signal(self, theta):
        """All M T L noise-free samples."""
        real, imag, phi = theta.reshape(-1, 3).T
        steps = self.kappa * np.arange(self.n_antennas)
        a = np.exp(1j * steps * np.sin(phi)[:, None]) / np.sqrt(self.n_antennas)
        pilots = np.exp(0.7j * np.arange(self.n_aps * self.n_pilots)).reshape(self.n_aps, -1)
        return ((real + 1j * imag)[:, None, None] * pilots[:, :, None] * a[:, None, :]).ravel()

    def fim(self):
        """Fisher information of (23) by central differences of the signal."""
        return oracle.dense_fim(self.signal, self.theta, self.noise_variance, 1e-5, order=2)


def inverse(fim):
    """Every parameter in the unit that suits it."""
    scale = 1 / np.sqrt(np.diag(fim))
    return np.linalg.inv(fim * np.outer(scale, scale)) * np.outer(scale, scale)


def printed_41(network):
    """Angle bound of every access point."""
    return (
        6 * network.noise_variance
        / (network.n_pilots * np.abs(network.gain) ** 2 * network.kappa**2
           * np.cos(network.phi) ** 2 * (network.n_antennas**2 - 1))
    )  # fmt: skip


def printed_45(network):
    """Sum over all access points; (44) with M = M_max."""
    quality = np.abs(network.gain) ** 2 * np.cos(network.phi) ** 2  # (42)
    accumulated = np.sum(np.sort(quality)[::-1])  # (43), (44)
    return (
        network.n_pilots * network.kappa**2 * (network.n_antennas**2 - 1)
        / (6 * network.noise_variance) * accumulated
    )  # fmt: skip


def printed_46(network):
    return 1 / printed_45(network)


# (27), for any number of access points


def test_cauchy_schwarz_by_induction_over_the_eigenvalues():
    """zhang (27) for every M: S = sum of l, R = sum of 1/l; one more value x adds squares only.

    S R - n^2 is zero for one value, and the step from n to n + 1 adds the sum over i of
    (l_i - x)^2 / (l_i x) = l_i / x + x / l_i - 2.
    """
    total, inverses, value, new = sp.symbols("S R l x", positive=True)
    n = sp.Symbol("n", positive=True, integer=True)
    grown = (total + new) * (inverses + 1 / new) - (n + 1) ** 2
    added = sp.expand(grown - (total * inverses - n**2))
    assert sp.simplify(added - (total / new + new * inverses - 2 * n)) == 0
    square = (value - new) ** 2 / (value * new)
    assert sp.simplify(square - (value / new + new / value - 2)) == 0


@given(seed=SEEDS, n_aps=st.integers(1, 6))
def test_cauchy_schwarz_in_exact_fractions(seed, n_aps):
    """zhang (27): 3M values; the gap is the sum of (l_i - l_j)^2 / (l_i l_j) over all pairs."""
    rng = np.random.default_rng(seed)
    values = [Fraction(int(p), int(q)) for p, q in rng.integers(1, 1000, (3 * n_aps, 2))]
    gap = sum(values) * sum(1 / v for v in values) - 9 * n_aps**2
    pairs = itertools.combinations(values, 2)
    assert gap == sum((a - b) ** 2 / (a * b) for a, b in pairs) >= 0
    equal = [values[0]] * (3 * n_aps)
    assert sum(equal) * sum(1 / v for v in equal) == 9 * n_aps**2


@QUICK
@given(seed=SEEDS)
def test_cauchy_schwarz_of_the_fim_of_the_model(seed):
    """zhang (27), (28): Tr I x Tr I^-1 >= 9 M^2 for the network's own matrix."""
    network = Network.draw(seed)
    fim = network.fim()
    assert np.trace(fim) * np.trace(inverse(fim)) >= 9 * network.n_aps**2


# (41), and what the abstract says of it


@QUICK
@given(seed=SEEDS, factor=st.floats(1.05, 3))
def test_angle_bound_falls_with_pilots_power_and_aperture_by_brute_force(seed, factor):
    """zhang, abstract and conclusion: every angle of the dense inverse falls, and is (41)."""
    network = Network.draw(seed)

    def angles(changed):
        bound = np.diag(inverse(changed.fim()))[2::3]
        np.testing.assert_allclose(bound, printed_41(changed), rtol=1e-5)
        return bound

    base = angles(network)
    for changes in (
        {"n_pilots": network.n_pilots + 1},
        {"gain": factor * network.gain},
        {"n_antennas": network.n_antennas + 1},  # a longer row
        {"kappa": factor * network.kappa},  # a wider one
    ):
        assert np.all(angles(replace(network, **changes)) < base)
    assert np.all(angles(replace(network, noise_variance=factor * network.noise_variance)) > base)


# (45), (46), and the repaired form


@QUICK
@given(seed=SEEDS, n_aps=st.integers(1, 6))
def test_network_bound_is_a_bound_of_the_papers_parameters_for_one_access_point_only(seed, n_aps):
    """zhang (45), (46): below every angle's bound in the dense inverse for M >= 2."""
    network = Network.draw(seed, n_aps)
    own = np.diag(inverse(network.fim()))[2::3]
    if n_aps == 1:
        np.testing.assert_allclose(printed_46(network), own[0], rtol=1e-5)
    else:
        assert printed_46(network) < own.min() / (1 + 1e-9)
        assert own.mean() >= n_aps * printed_46(network) * (1 - 1e-5)


@QUICK
@given(seed=SEEDS, n_aps=st.integers(2, 6))
def test_information_on_different_angles_adds_up_to_that_on_the_position(seed, n_aps):
    """zhang (45) repaired: J = sum of each access point's own term of (45) times grad phi grad
    phi^T is what is left for the position when all gains are unknown, by brute force."""
    network, rng = Network.draw(seed, n_aps), np.random.default_rng(seed)
    sites, turns = rng.uniform(-60, 60, (n_aps, 2)), rng.uniform(-np.pi, np.pi, n_aps)
    distance = np.linalg.norm(sites, axis=1)  # the user stands at the origin
    sites *= (np.maximum(distance, 5) / distance)[:, None]

    def bearing(position):
        offset = position - sites
        return np.arctan2(offset[:, 1], offset[:, 0]) - turns

    def signal(theta):
        gains = theta[2:].reshape(n_aps, 2)
        return network.signal(np.column_stack([gains, bearing(theta[:2])]).ravel())

    gains = np.column_stack([network.gain.real, network.gain.imag])
    place = np.concatenate([np.zeros(2), gains.ravel()])
    fim = oracle.dense_fim(signal, place, network.noise_variance, 1e-5, order=2)
    coupling = fim[:2, 2:]
    left = fim[:2, :2] - coupling @ np.linalg.solve(fim[2:, 2:], coupling.T)

    square = np.sum(sites**2, axis=1, keepdims=True)
    gradient = -sites[:, ::-1] * [-1, 1] / square
    here = replace(network, phi=bearing(np.zeros(2)))
    quality = np.abs(here.gain) ** 2 * np.cos(here.phi) ** 2
    own = printed_45(here) * quality / quality.sum()  # the term of one access point
    repaired = gradient.T @ (own[:, None] * gradient)
    np.testing.assert_allclose(left, repaired, rtol=1e-5, atol=1e-5 * np.trace(repaired))


def test_information_on_angles_at_one_place_leaves_the_position_open():
    """The case that (46) cannot see: finite for M arrays in one place, the position is not."""
    gradient = np.tile([[-0.01, 0.02]], (4, 1))
    assert np.linalg.matrix_rank(gradient.T @ gradient) == 1
    assert printed_46(Network.draw(1, 4)) < np.inf


# (67), with blocks padded by zeros


@QUICK
@given(seed=SEEDS)
def test_fim_is_the_sum_over_access_points_and_slots_of_padded_blocks(seed):
    """zhang (67) as printed: I_{m,t} is the information of one slot about all of (23)."""
    network = Network.draw(seed)
    samples = network.n_aps, network.n_pilots, network.n_antennas
    total = 0
    for ap, slot in itertools.product(range(network.n_aps), range(network.n_pilots)):

        def one(theta, ap=ap, slot=slot):
            return network.signal(theta).reshape(samples)[ap, slot]

        fim = oracle.dense_fim(one, network.theta, network.noise_variance, 1e-5, order=2)
        own = np.zeros(3 * network.n_aps, dtype=bool)
        own[3 * ap : 3 * ap + 3] = True
        assert not fim[~own].any()
        assert not fim[:, ~own].any()
        block = fim[np.ix_(own, own)]  # padding leaves the largest eigenvalue of (68) as it is
        np.testing.assert_allclose(
            np.linalg.eigvalsh(fim)[-1], np.linalg.eigvalsh(block)[-1], rtol=1e-12
        )
        total = total + fim
    whole = network.fim()
    np.testing.assert_allclose(total, whole, rtol=1e-9, atol=1e-9 * np.abs(whole).max())


# (75), with M, L, T and b


@pytest.mark.parametrize(
    ("n_aps", "n_antennas", "n_pilots", "n_bits"),
    [(1, 1, 1, 1), (1, 4, 3, 1), (2, 1, 2, 2), (2, 3, 1, 1), (3, 2, 2, 1), (1, 2, 2, 2)],
)
@pytest.mark.parametrize("power", [0.05, 1.0, 40.0])
def test_mutual_information_and_entropy_of_the_pilots_in_the_whole_space(
    n_aps, n_antennas, n_pilots, n_bits, power
):
    """zhang (75): I <= H <= 2bMLT bits, from all pilot sequences and the densities (4) of all
    M T L samples; tolerance of five standard errors."""
    rng, n = np.random.default_rng(75), 3000
    letters = np.exp(2j * np.pi * np.arange(2**n_bits) / 2**n_bits)  # BPSK, QPSK
    sequences = np.array(list(itertools.product(letters, repeat=n_aps * n_pilots)))
    entropy = np.log(len(np.unique(sequences.round(6), axis=0)))  # nats; all equiprobable
    assert entropy == pytest.approx(n_bits * n_aps * n_pilots * np.log(2))
    assert entropy <= 2 * n_bits * n_aps * n_antennas * n_pilots * np.log(2)  # B_tot of (75)

    power_of = power * np.linspace(1, 0.5, n_aps)
    phi = np.linspace(-0.8, 0.6, n_aps)
    a = np.exp(1j * np.pi * np.outer(np.sin(phi), np.arange(n_antennas))) / np.sqrt(n_antennas)
    columns = np.sqrt(power_of)[:, None] * a
    pilots = sequences.reshape(-1, n_aps, n_pilots)
    means = np.einsum("smt,ml->smtl", pilots, columns).reshape(len(sequences), -1)
    sent = rng.integers(len(sequences), size=n)
    noise = rng.normal(size=(n, means.shape[1], 2)) @ [1, 1j] / np.sqrt(2)
    x = means[sent] + noise
    log_density = 2 * np.real(x @ means.conj().T) - np.sum(np.abs(means) ** 2, axis=1)
    top = log_density.max(axis=1)
    mixture = top + np.log(np.mean(np.exp(log_density - top[:, None]), axis=1))
    sample = log_density[np.arange(n), sent] - mixture
    nats, error = sample.mean(), sample.std(ddof=1) / np.sqrt(n)
    assert nats <= entropy + 1e-9
    # A sum over access points and slots; L enters through |alpha|^2 only. QPSK is two BPSKs.
    parts = n_bits * information.bpsk_information(power_of / n_bits)
    # At 40 a draw that misleads is so rare that the sample has none: less than a millionth nat.
    assert abs(nats - n_pilots * parts.sum()) < 5 * error + 1e-6
    if power == 40.0:  # the pilots can be read: H is reached, and nothing below it would do
        assert nats > 0.99 * entropy


@pytest.mark.parametrize("unit", [1e-6, 37.0])
def test_printed_forms_do_not_depend_on_the_unit_of_amplitude(unit):
    """(41), (45), (46): gains in another unit, the noise variance in its square."""
    network = Network.draw(3)
    other = Network(
        unit * network.gain, network.phi, network.n_antennas, network.kappa,
        network.n_pilots, unit**2 * network.noise_variance,
    )  # fmt: skip
    for form in (printed_41, printed_45, printed_46):
        np.testing.assert_allclose(form(other), form(network), rtol=1e-12)
