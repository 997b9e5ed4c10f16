"""studies.joint: the joint estimator against its bound, and against each access point alone."""

import numpy as np
import pytest

from cfisac import studies
from cfisac.studies import joint


def stored():
    return studies.stored("joint-ml"), studies.get("joint-ml").n_trials["paper"]


def detection():
    return studies.stored("detection-gain"), studies.get("detection-gain").n_trials["paper"]


def test_scene_has_the_snr_it_is_asked_for_in_the_middle():
    scene = joint.scene_at(np.random.default_rng(1), 2, -7.0)
    far = np.linalg.norm(scene.targets - scene.aps[:, None], axis=-1)
    there = scene.sample_snr * (far / (175 * np.sqrt(2))) ** 4
    assert np.allclose(10 * np.log10(there), -7.0)


def test_errors_go_with_their_targets():
    rng = np.random.default_rng(2)
    scene = joint.scene_at(rng, 3, 0.0)

    class Found:
        positions = scene.targets[[2, 0, 1]] + 0.1
        velocities = scene.velocities[[2, 0, 1]] - 0.2

    off = joint.errors(scene, Found)
    assert np.allclose(off, [0.1, 0.1, -0.2, -0.2])


def test_level_is_that_of_a_logistic_curve_and_its_error_that_of_draws():
    """1000 draws: their standard deviation is known to 2 %, five of these are allowed."""
    rng = np.random.default_rng(3)
    snr, n = np.arange(-46.0, -34.0), 96
    curve = 1 / (1 + np.exp(-1.2 * (snr + 41)))
    level, error = joint.level_at(snr, curve, n)
    assert level == pytest.approx(-41 + np.log(9) / 1.2, abs=1e-9)
    found = [joint.level_at(snr, rng.binomial(n, curve) / n, n)[0] for _ in range(1000)]
    assert abs(np.mean(found) - level) < 5 * error / np.sqrt(1000) + 0.02
    assert abs(np.std(found) / error - 1) < 0.15


def test_joint_estimator_sits_on_its_bound_and_loses_no_target():
    """At most 1.05 of the bound from -10 to 20 dB, for position and velocity."""
    table, n = stored()
    assert n >= 200
    main = table[table.snr_db >= -10]
    assert len(main) >= 4
    for name in ("position", "velocity"):
        square = main[f"{name}_mse_over_crlb"]
        assert np.all(np.sqrt(square) < 1.05)
        assert np.all(abs(square - 1) < 4 * main[f"{name}_mse_over_crlb_se"] + 0.01)
    assert not main.lost_share.any()
    assert not main.lost_undoubted_share.any()
    assert main.overlap_share.mean() > 0.3  # and it does so among echoes that overlap


def test_searching_together_gains_what_the_chapter_says():
    table, n = detection()
    gains = {name: joint.gap(table, n, f"{name}_share") for name in ("all_aps", "fused", "two_aps")}
    assert 4 < gains["all_aps"][0] < 8
    assert gains["two_aps"][0] < gains["fused"][0] < gains["all_aps"][0]
    assert all(error < 0.5 for _, error in gains.values())


def test_all_right_is_no_more_than_each_right():
    table, _ = detection()
    assert np.all(table.all_aps_share <= table.one_ap_share + 1e-12)
    assert np.all(table.all_aps_share <= table.two_aps_share)
    assert np.all(table.declared_share <= 1)
