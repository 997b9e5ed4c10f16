"""Power allocation: a plain transcription of the quadratic transform, and ours, side by side.

Nothing here asserts a speed: the ratio of two lines is the claim (``make bench``). The
transcription is what one writes first: all constants in the problem, which is made anew for every
step, ``tr_inv`` for the bound, and CVXPY's choice of tolerances. Gains are over the noise, without
which it finds no optimum at all.
"""

import time

import cvxpy as cp
import numpy as np
import pytest

from cfisac.designs._power_chosen import choose
from cfisac.designs.power import coefficients, max_min_sinr, quadratic_transform, sensing_factor
from cfisac.scenarios import fan_network


def scene(n_aps, seed):
    drawn = fan_network(np.random.default_rng(seed), n_aps=n_aps, max_delay=4e-6)
    return drawn, coefficients(drawn.scene, drawn.channels, drawn.estimates)


def plain(each, limit, sends, hears, tolerance=1e-6, most=100):
    """Algorithm 1 of fan_conf, word for word; the least SINR."""
    chosen = choose(each, limit, sends, hears, "approximate")
    gain, met, base = chosen.gain, chosen.interference, chosen.base
    n_aps, n_users, n_targets = chosen.shape
    share, before = np.full((n_aps, each.n_beams), 1 / each.n_beams), 0.0
    for _ in range(most):
        y = np.sqrt(chosen.signal(share)) / chosen.disturbance(share)
        eta, z = cp.Variable((n_aps, each.n_beams), nonneg=True), cp.Variable()
        amplitude = cp.sum(cp.multiply(gain, cp.sqrt(eta[:, n_targets:])), axis=0)
        rows = np.swapaxes(met, 0, 1).reshape(n_users, -1)
        disturbance = 1 + rows @ cp.vec(eta, order="C")
        served = 2 * cp.multiply(y, amplitude) - cp.multiply(y**2, disturbance) >= z
        limits = [cp.sum(eta, axis=1) <= 1, served]
        for t in range(n_targets):
            limits.append(cp.tr_inv(sum(eta[p, t] * base[p, t] for p in range(n_aps))) <= 1)
        problem = cp.Problem(cp.Maximize(z), limits)
        problem.solve(solver="CLARABEL")
        share = np.clip(eta.value, 0.0, None)
        if abs(z.value - before) <= tolerance * z.value:
            break
        before = z.value
    return np.min(chosen.signal(share) / chosen.disturbance(share))


def timed(function):
    start = time.process_time()
    found = function()
    return time.process_time() - start, found


def compare(sizes, seeds):
    print("\nCPU seconds, K = 10, T = 2; ratios to the direct form; values, and the certified gap")
    for n_aps in sizes:
        for seed in seeds:
            drawn, each = scene(n_aps, seed)
            roles = drawn.sends, drawn.hears
            limit = max(0.01, 1.5 * sensing_factor(each, 1.0, *roles))
            runs = {
                "plain": lambda: plain(each, limit, *roles),  # noqa: B023
                "DPP": lambda: quadratic_transform(each, limit, *roles).value,  # noqa: B023
                "direct": lambda: max_min_sinr(each, limit, *roles),  # noqa: B023
            }
            runs["direct"]()
            took = {name: timed(run) for name, run in runs.items()}
            direct, best = took["direct"]
            told = "  ".join(
                f"{name} {seconds:.3f} ({seconds / direct:.1f} x)"
                for name, (seconds, _) in took.items()
            )
            off = [took[name][1] / best.value - 1 for name in ("plain", "DPP")]
            print(
                f"N_AP {n_aps:3d} scene {seed}: {told}; SINR {best.value:.4f}, gap {best.gap:.0e}, "
                f"plain {off[0]:+.0e}, DPP {off[1]:+.0e}"
            )
            assert best.gap < 1e-5
            assert off[0] == pytest.approx(0, abs=1e-4)


@pytest.mark.benchmark(group="power allocation (times: printed)")
def test_power_allocation(benchmark):
    import cvxpy  # noqa: F401  # loaded before the clock starts

    benchmark.pedantic(compare, ((8, 16, 32, 64), (1, 2)), rounds=1)
