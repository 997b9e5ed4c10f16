"""The scenes of the study of clocks, and maximum likelihood over its lobes."""

from pathlib import Path

import numpy as np
import pytest
from scipy.constants import speed_of_light

from cfisac import arrays, fisher, scenarios, studies
from cfisac.limits import cooperative, multistatic, toa_aoa
from cfisac.studies import synchronisation


def test_with_perfect_clocks_the_scenes_are_those_of_the_chapters():
    """commit's, liu's and fan's own bounds, to rounding."""
    rng = np.random.default_rng(3)
    user, aps = rng.uniform(-90, 90, 2), scenarios.square_grid(16)
    array = arrays.UniformLinearArray(8)
    printed = toa_aoa.position_efim(
        user, aps, toa_aoa.delay_variance(100e6, 10.0), toa_aoa.angle_variance(0.0, array, 80.0)
    )
    found = synchronisation.commit_paths(user).information()
    np.testing.assert_allclose(found, printed, rtol=1e-11)

    scene = scenarios.liu_scene(rng, 1)
    state = cooperative.state_efim(
        scene.targets, scene.velocities, scene.aps, scene.n_antennas, scene.sample_snr.T,
        scene.waveform, scene.carrier_frequency,
    )[0]  # fmt: skip
    found = synchronisation.liu_paths(scene).information()
    scale = np.sqrt(np.diagonal(state))
    np.testing.assert_allclose(found / np.outer(scale, scale), state / np.outer(scale, scale),
                               atol=1e-11)  # fmt: skip

    scene = scenarios.fan_scene(rng)
    printed = multistatic.position_efim(scene, scenarios.equal_power(scene))
    found = synchronisation.fan_paths(scene).information((0, 1))
    np.testing.assert_allclose(found, printed, rtol=1e-10)


@pytest.mark.parametrize("scene", synchronisation.SCENES)
def test_worse_clocks_never_help(scene):
    bounds = synchronisation.peb(scene, np.random.default_rng(4))
    assert np.all(np.diff(bounds) >= -1e-12)
    assert np.all(np.isfinite(bounds))
    lost = bounds[-1] / bounds[0]
    assert lost == pytest.approx(1, abs=1e-9) if scene == "liu" else lost > 1.02


def test_an_unknown_scene_is_refused():
    with pytest.raises(ValueError, match="scene must be one of commit"):
        synchronisation.peb("zhang", np.random.default_rng(0))


def test_the_likelihood_is_that_of_the_samples():
    """Its grid against sums over tones one by one, and its curvature against the bound."""
    rng = np.random.default_rng(5)
    unit = rng.normal(size=(4, 2))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    seen = rng.normal(size=(4, synchronisation.N_TONES, 2)) @ [1, 1j]
    x, y = rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 5)
    grid = synchronisation._likelihood(seen, unit, x, y)
    frequencies = synchronisation.CARRIER + synchronisation.TONES
    for i, j in np.ndindex(3, 5):
        delay = unit @ [x[i], y[j]] / speed_of_light
        turned = np.sum(seen * np.exp(2j * np.pi * frequencies * delay[:, None]), axis=1)
        assert grid[i, j] == pytest.approx(np.sum(np.maximum(turned.real, 0) ** 2))
    coherent, apart = synchronisation.coherent_bounds(unit, 10.0)
    power = 10.0 / synchronisation.N_TONES
    clean = np.full((4, synchronisation.N_TONES), np.sqrt(power))
    step = 1e-4
    ticks = step * np.arange(-1, 2)
    near = synchronisation._likelihood(clean, unit, ticks, ticks) / synchronisation.N_TONES
    hessian = np.array([
        [near[2, 1] - 2 * near[1, 1] + near[0, 1],
         (near[2, 2] - near[2, 0] - near[0, 2] + near[0, 0]) / 4],
        [0, near[1, 2] - 2 * near[1, 1] + near[1, 0]],
    ]) / step**2  # fmt: skip
    hessian[1, 0] = hessian[0, 1]
    assert fisher.position_error_bound(-hessian) == pytest.approx(coherent, rel=1e-3)
    assert apart / coherent == pytest.approx(
        np.hypot(synchronisation.CARRIER, np.std(synchronisation.TONES))
        / np.std(synchronisation.TONES)
    )


def test_a_strong_signal_reaches_the_coherent_bound_and_a_weak_one_does_not():
    """2 n degrees of freedom: the mean of 300 ratios is one within 4 / sqrt(300)."""
    rng = np.random.default_rng(6)
    strong = [synchronisation.coherent_trial(rng, 16, 12.0) for _ in range(300)]
    mean = np.mean([each["squared_error_ratio"] for each in strong])
    assert abs(mean - 1) < 4 / np.sqrt(300)
    assert not any(each["wrong_lobe"] for each in strong)
    weak = [synchronisation.coherent_trial(rng, 4, 10.0) for _ in range(60)]
    assert any(each["wrong_lobe"] for each in weak)


def test_the_figure_says_how_many_draws_it_is_drawn_from():
    number = synchronisation.SCENES_PER_TRIAL * studies.get("sync-knee").n_trials["paper"]
    chapter = Path(__file__).resolve().parents[2] / "book" / "limits" / "synchronisation.md"
    assert f"{number} draws for each curve" in chapter.read_text("utf-8")
