"""Power allocation: coefficients against scenes, optima against other solvers, certificates."""

from dataclasses import replace

import numpy as np
import pytest
from power_scenes import in_space, network, scene_coefficients, some_power
from scipy import optimize

from cfisac import fisher
from cfisac.designs import Infeasible, SolverError
from cfisac.designs._power_certificate import upper_bound
from cfisac.designs._power_chosen import choose
from cfisac.designs._power_conic import step
from cfisac.designs.power import Coefficients, coefficients, max_min_sinr, sensing_factor
from cfisac.limits import multistatic
from cfisac.scenarios import fan_network, fan_scene

# ---------------------------------------------------------------------------------- coefficients


def test_a_network_is_the_scene_of_the_same_draw():
    settings = {"n_aps": 8, "n_users": 3, "n_targets": 2}
    drawn = fan_network(np.random.default_rng(5), **settings)
    scene = fan_scene(np.random.default_rng(5), **settings)
    np.testing.assert_array_equal(drawn.scene.transmitters[drawn.sends], scene.transmitters)
    np.testing.assert_array_equal(drawn.scene.receivers[drawn.hears], scene.receivers)
    np.testing.assert_array_equal(drawn.scene.beams[drawn.sends], scene.beams)
    np.testing.assert_array_equal(drawn.scene.targets, scene.targets)


@pytest.mark.parametrize("bound", ["exact", "approximate"])
def test_information_of_any_modes_is_that_of_their_scene(bound):
    drawn, each = network(), scene_coefficients()
    rng = np.random.default_rng(3)
    for _ in range(3):
        sends = rng.random(8) < 0.6
        hears = ~sends
        if sends.all() or hears.all():
            continue
        power = some_power(each, sends)
        scene = replace(
            drawn.scene,
            transmitters=drawn.scene.transmitters[sends],
            transmit_axes=drawn.scene.transmit_axes[sends],
            beams=drawn.scene.beams[sends],
            receivers=drawn.scene.receivers[hears],
            receive_axes=drawn.scene.receive_axes[hears],
            full_duplex=False,
        )
        wanted = multistatic.position_efim(scene, power[sends], bound)
        np.testing.assert_allclose(each.efim(power, hears, bound), wanted, rtol=1e-9)
        peb = multistatic.position_error_bound(scene, power[sends], bound)
        np.testing.assert_allclose(each.crlb(power, hears, bound), peb**2, rtol=1e-9)


@pytest.mark.parametrize("bound", ["exact", "approximate"])
def test_information_in_space_is_that_of_the_scene(bound):
    scene, channels, estimates = in_space()
    each = coefficients(scene, channels, estimates)
    power = some_power(each, np.ones(6, bool))
    wanted = multistatic.position_efim(scene, power, bound)
    np.testing.assert_allclose(each.efim(power, None, bound), wanted, rtol=1e-8)


def test_sinr_is_what_random_channels_do():
    """Amplitudes, fluctuations and errors of the estimate, drawn 20 000 times for one user."""
    each, drawn = scene_coefficients(), network()
    power = some_power(each, np.ones(8, bool))
    rng, n, user = np.random.default_rng(6), 20_000, 1
    noise = drawn.scene.noise_variance

    def draw(covariance):
        size = np.trace(covariance, axis1=-2, axis2=-1).real[..., None, None]
        root = np.linalg.cholesky(covariance + 1e-12 * size * np.eye(covariance.shape[-1]))
        parts = rng.normal(scale=np.sqrt(0.5), size=(2, n, *covariance.shape[:-1]))
        return np.einsum("pij,npj->npi", root, parts[0] + 1j * parts[1])

    known = {q: draw(drawn.estimates[:, q]) for q in range(3)}
    channel = known[user] + draw((drawn.channels - drawn.estimates)[:, user])
    signal, total = 0.0, noise
    for beam in range(each.n_beams):
        if beam < 2:
            vector = np.linalg.eigh(drawn.scene.beams[:, beam])[1][..., -1]
            met = np.einsum("npi,pi->np", channel, vector.conj())
        else:
            size = np.sqrt(np.trace(drawn.estimates[:, beam - 2], axis1=-2, axis2=-1).real)
            met = np.einsum("npi,npi->np", channel, known[beam - 2].conj()) / size
        seen = np.sqrt(power[:, beam]) * met
        if beam - 2 == user:
            signal = abs(seen.sum(axis=1).mean()) ** 2
            total += np.sum(np.var(seen, axis=0))
        else:
            total += np.sum(np.mean(np.abs(seen) ** 2, axis=0))
    # A mean of 20 000 draws of unit spread errs by 0.7 %, the power of one by 1 %: five times that.
    assert each.sinr(power)[user] == pytest.approx(signal / total, rel=0.05)


def test_printed_interference_forgets_the_error_of_the_estimate():
    each = scene_coefficients()
    printed = each.as_printed()
    power = some_power(each, np.ones(8, bool))
    assert np.all(printed.interference <= each.interference * (1 + 1e-9))
    assert np.all(printed.sinr(power) > each.sinr(power))
    drawn = network()
    perfect = coefficients(drawn.scene, drawn.estimates, drawn.estimates)
    np.testing.assert_allclose(perfect.sinr(power), printed.sinr(power), rtol=1e-12)


# -------------------------------------------------------------------------------------- optimum


def slsqp(each, limit, sends, hears, start, bound="approximate"):
    """Max t over roots of the powers and t, from one start."""
    shape = int(sends.sum()), each.n_beams

    def power(x):
        full = np.zeros((len(sends), each.n_beams))
        full[sends] = x[:-1].reshape(shape) ** 2
        return full

    found = optimize.minimize(
        lambda x: -x[-1],
        start,
        method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda x: np.log(each.sinr(power(x))) - x[-1]},
            {"type": "ineq", "fun": lambda x: 1 - power(x).sum(axis=1)[sends]},
            {"type": "ineq", "fun": lambda x: 1 - each.crlb(power(x), hears, bound) / limit},
        ],
        options={"maxiter": 400, "ftol": 1e-11},
    )
    return np.exp(-found.fun) if found.success else -np.inf


@pytest.mark.parametrize("bound", ["exact", "approximate"])
def test_another_solver_from_several_starts_finds_nothing_better(bound):
    each = scene_coefficients(n_aps=5, n_users=2, n_targets=1, nearest=2)
    drawn = network(n_aps=5, n_users=2, n_targets=1, nearest=2)
    limit = 0.5 * each.crlb(some_power(each, drawn.sends), drawn.hears, bound)
    best = max_min_sinr(each, limit, drawn.sends, drawn.hears, bound=bound)
    rng, n = np.random.default_rng(1), int(drawn.sends.sum()) * each.n_beams
    starts = [np.append(rng.uniform(0.2, 0.6, n), 0.0) for _ in range(4)]
    found = [slsqp(each, limit, drawn.sends, drawn.hears, start, bound) for start in starts]
    assert max(found) == pytest.approx(best.value, rel=1e-4)
    assert max(found) <= best.upper_bound * (1 + 1e-6)


@pytest.mark.parametrize("bound", ["exact", "approximate"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_powers_are_within_all_limits_and_the_certificate_meets_them(seed, bound):
    each, drawn = scene_coefficients(seed), network(seed)
    limit = 0.6 * each.crlb(some_power(each, drawn.sends), drawn.hears, bound)
    best = max_min_sinr(each, limit, drawn.sends, drawn.hears, bound=bound)
    assert np.all(best.power >= 0)
    assert not best.power[~drawn.sends].any()
    assert np.all(best.power.sum(axis=1) <= each.max_power * (1 + 1e-12))
    assert np.all(each.crlb(best.power, drawn.hears, bound) <= limit * (1 + 1e-9))
    assert 0 <= best.gap <= 1e-6
    np.testing.assert_allclose(best.sinr, each.sinr(best.power), rtol=1e-12)


@pytest.mark.parametrize("bound", ["exact", "approximate"])
def test_scenes_in_space_need_the_larger_cone(bound):
    scene, channels, estimates = in_space()
    each = coefficients(scene, channels, estimates)
    sends = np.array([True, True, True, True, False, False])
    limit = 0.8 * each.crlb(some_power(each, sends), ~sends, bound)
    best = max_min_sinr(each, limit, sends, ~sends, bound=bound)
    assert each.crlb(best.power, ~sends, bound)[0] <= limit[0] * (1 + 1e-9)
    assert best.gap <= 1e-6
    free = max_min_sinr(each, np.inf, sends, ~sends)
    assert free.value > best.value * 1.01


def test_no_powers_reach_more_than_any_prices_allow():
    """Random prices, good and bad: the bound may be weak, and is never wrong."""
    each, drawn = scene_coefficients(), network()
    rng = np.random.default_rng(7)
    for bound in ("exact", "approximate"):
        limit = 0.6 * each.crlb(some_power(each, drawn.sends), drawn.hears, bound)
        best = max_min_sinr(each, limit, drawn.sends, drawn.hears, bound=bound)
        chosen = choose(each, limit, drawn.sends, drawn.hears, bound)
        share = best.power[drawn.sends]
        found = step(chosen, best.value, share)
        bounds = []
        for size in (0.01, 0.1, 1.0):
            for _ in range(30):
                noise = [np.exp(size * rng.normal(size=n)) for n in (chosen.shape[0], 3)]
                turn = size * rng.normal(size=(2, 2, 2))
                information = found.information + turn @ np.swapaxes(turn, -1, -2) * np.trace(
                    found.information.sum(axis=0)
                )
                where = rng.dirichlet(np.ones(each.n_beams), len(share))
                bounds.append(
                    upper_bound(
                        chosen,
                        where,
                        found.price * noise[0],
                        found.interference * noise[1],
                        information,
                    )
                )
        assert min(bounds) >= best.value * (1 - 1e-12)
        assert np.isfinite(bounds).any()


def test_looser_limits_more_power_and_fewer_users_never_hurt():
    each, drawn = scene_coefficients(2), network(2)
    limit = 0.5 * each.crlb(some_power(each, drawn.sends), drawn.hears)
    roles = drawn.sends, drawn.hears
    values = [max_min_sinr(each, limit * k, *roles).value for k in (1, 2, 4, np.inf)]
    assert np.all(np.diff(values) > -1e-6 * np.array(values[:-1]))
    strong = replace(each, max_power=4 * each.max_power)
    assert max_min_sinr(strong, limit, *roles).value > values[0]
    exact = max_min_sinr(each, limit, *roles, bound="exact").value
    assert exact >= values[0] * (1 - 1e-6)


def test_units_do_not_matter():
    """Four times the power over four times the noise: the same SINR."""
    each, drawn = scene_coefficients(), network()
    limit = 0.6 * each.crlb(some_power(each, drawn.sends), drawn.hears)
    scaled = replace(
        each,
        gain=each.gain / 2,
        interference=each.interference / 4,
        information=each.information / 4,
        max_power=4 * each.max_power,
    )
    roles = drawn.sends, drawn.hears
    first, second = (max_min_sinr(one, limit, *roles) for one in (each, scaled))
    assert first.value == pytest.approx(second.value, rel=2e-6)


# ------------------------------------------------------------------------------------- bad input


def test_a_target_out_of_reach_is_named_with_the_best_that_can_be_had():
    each, drawn = scene_coefficients(), network()
    roles = drawn.sends, drawn.hears
    alone = [
        sensing_factor(each, [1.0, np.inf], *roles),
        sensing_factor(each, [np.inf, 1.0], *roles),
    ]
    for target, least in enumerate(alone):
        power = np.zeros((8, each.n_beams))
        power[drawn.sends, target] = 1.0
        assert least == pytest.approx(each.crlb(power, drawn.hears)[target], rel=1e-6)
    limit = [alone[0] * 4, alone[1] * 0.81]
    with pytest.raises(Infeasible, match=r"target 1 can be located to .* m at best") as caught:
        max_min_sinr(each, limit, *roles)
    assert f"{np.sqrt(alone[1]):.3g} m at best" in str(caught.value)
    assert caught.value.status == "checked"
    with pytest.raises(Infeasible, match="all targets together"):
        max_min_sinr(each, np.array(alone) * 1.01, *roles)


def test_the_smallest_factor_is_just_feasible():
    each, drawn = scene_coefficients(), network()
    roles = drawn.sends, drawn.hears
    for bound in ("exact", "approximate"):
        factor = sensing_factor(each, 1.0, *roles, bound=bound)
        best = max_min_sinr(each, factor * 1.001, *roles, bound=bound, tolerance=1e-3)
        assert 0 < best.value < max_min_sinr(each, np.inf, *roles).value
        with pytest.raises(Infeasible):
            max_min_sinr(each, factor * 0.999, *roles, bound=bound)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"crlb_max": 0.0}, "crlb_max must be one number or 2, > 0"),
        ({"crlb_max": np.nan}, "crlb_max must be"),
        ({"crlb_max": [1.0, 1.0, 1.0]}, "crlb_max must be one number or 2"),
        ({"sends": np.zeros(8, bool)}, "sends must leave one access point or more"),
        ({"hears": np.zeros(8, bool)}, "hears must leave one access point or more"),
        ({"sends": np.ones(8)}, "sends must be 8 times True or False"),
        ({"hears": np.ones(7, bool)}, "hears must be 8 times True or False"),
        ({"bound": "best"}, "bound must be .exact. or .approximate."),
        ({"tolerance": 1e-12}, "tolerance must be >= 1e-8"),
        ({"tolerance": 0.0}, "tolerance must be > 0"),
    ],
)
def test_bad_input_is_named(change, told):
    with pytest.raises(ValueError, match=told):
        max_min_sinr(scene_coefficients(), **{"crlb_max": 1.0, **change})


def test_bad_scenes_are_named():
    drawn = network()
    with pytest.raises(ValueError, match="estimates must be"):
        coefficients(drawn.scene, drawn.channels, drawn.estimates[:2])
    with pytest.raises(ValueError, match="estimates must have traces"):
        coefficients(drawn.scene, drawn.estimates, drawn.channels * 1.1)
    with pytest.raises(ValueError, match="max_power must be > 0"):
        coefficients(drawn.scene, drawn.channels, drawn.estimates, 0.0)
    with pytest.raises(ValueError, match="settings must be those of fan_scene"):
        fan_network(np.random.default_rng(1), n_ap=3)
    each = scene_coefficients()
    with pytest.raises(ValueError, match=r"power must be \(8, 5\)"):
        each.sinr(np.ones((8, 4)))
    deaf = replace(each, can_hear=np.arange(8) > 0)
    with pytest.raises(ValueError, match="hears must not be True for"):
        max_min_sinr(deaf, 1.0, hears=np.ones(8, bool))


def test_a_solver_that_gives_up_is_an_error_with_its_status(monkeypatch):
    from cfisac.designs import _power_conic

    def fails(*_, what="", **__):
        raise SolverError("power allocation", "MaxIterations")

    monkeypatch.setattr(_power_conic, "conic", fails)
    with pytest.raises(SolverError, match="status MaxIterations"):
        max_min_sinr(scene_coefficients(), np.inf)


def test_a_user_that_nobody_reaches_is_infeasible():
    each = scene_coefficients()
    silent = replace(each, gain=each.gain * np.array([1.0, 0.0, 1.0]))
    with pytest.raises(Infeasible, match=r"reaches the users \[1\]"):
        max_min_sinr(silent, np.inf)


def test_a_target_that_nobody_sees_cannot_be_located():
    each, drawn = scene_coefficients(), network()
    blind = replace(each, information=np.zeros_like(each.information))
    assert sensing_factor(blind, 1.0, drawn.sends, drawn.hears) == np.inf
    with pytest.raises(Infeasible, match="target 0 can be located to inf m"):
        max_min_sinr(blind, 1.0, drawn.sends, drawn.hears)
    assert isinstance(blind, Coefficients)
    assert fisher.position_error_bound(blind.efim(np.ones((8, 5))))[0] == np.inf
