"""studies.joint: the joint estimator against its bound, and against each access point alone."""

import numpy as np
import pytest

from cfisac import studies
from cfisac.studies import _joint_count as counting
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


PREDICTED = ("joint", "all_aps", "two_aps", "one_ap")


@pytest.mark.parametrize("what", PREDICTED)
def test_counted_rivals_predict_where_nine_of_ten_are_found(what):
    """Within 1 dB, and within three standard errors of the simulation."""
    table, n = detection()
    snr = table.snr_db.to_numpy()
    each = 4 * n if what == "one_ap" else n
    measured, error = joint.level_at(snr, table[f"{what}_share"].to_numpy(), each)
    counted = joint.predicted_at(snr, table[f"{what}_counted"])
    assert abs(counted - measured) < min(1.0, 3 * error)


@pytest.mark.parametrize("what", PREDICTED)
def test_counted_rivals_predict_every_share(what):
    """Four standard errors of a share that is as predicted, and 0.1 for the model."""
    table, n = detection()
    counted = table[f"{what}_counted"]
    error = np.sqrt(counted * (1 - counted) / n)
    assert np.all(abs(table[f"{what}_share"] - counted) < 4 * error + 0.1)


def test_strangers_alone_are_too_few():
    """They promise more than half a dB that the simulation does not give."""
    table, n = detection()
    snr = table.snr_db.to_numpy()
    measured, error = joint.level_at(snr, table.joint_share.to_numpy(), n)
    strangers = joint.predicted_at(snr, table.joint_strangers)
    assert strangers < measured - max(0.5, 2 * error)
    assert strangers > measured - 1.0
    assert np.all(table.joint_strangers >= table.joint_counted)


def test_predicted_level_lies_between_rows_or_nowhere():
    snr = np.array([-2.0, 0.0, 2.0])
    assert joint.predicted_at(snr, [0.1, 0.5, 0.9], 0.9) == pytest.approx(2.0)
    assert joint.predicted_at(snr, [0.1, 0.5, 0.9], 0.5) == pytest.approx(0.0)
    assert np.isnan(joint.predicted_at(snr, [0.1, 0.5, 0.8], 0.9))


def test_counted_places_fill_the_region_that_is_searched():
    """Volumes of drawn places add up to the square and the disc of speeds, without one cell."""
    area, speeds = 100.0**2, np.pi * 120.0**2
    for each in counting.states():
        assert each.volumes.sum() == pytest.approx(area * speeds, rel=0.01)
        assert each.correlation.max() < 1
    for aps in counting.sights():
        sizes = [each.volumes.sum() for each, _ in aps]
        assert np.allclose(sizes, sizes[0], rtol=0.05)  # by symmetry, but for the cell left out


def test_edge_of_a_search_by_one_access_point():
    """Faces of the prism over the image of the square: by brute force, in units of the metric."""
    scene = counting._scene()
    cells = counting.cells_of(scene)[0]
    rng = np.random.default_rng(5)
    places = rng.uniform(125, 225, (200_000, 2))
    step, seen = 1e-3, []
    for offset in ([0.0, 0.0], [step, 0.0], [0.0, step]):
        far = np.linalg.norm(places + offset, axis=1)
        seen.append([2 * far / 299792458 / cells[0], (places + offset)[:, 1] / far / cells[1]])
    slopes = (np.array(seen[1:]) - seen[0]) / step  # (2 of x y, 2 of delay sine, n)
    area = 1e4 * np.abs(slopes[0, 0] * slopes[1, 1] - slopes[0, 1] * slopes[1, 0]).mean()
    roots = 2 * np.pi / np.sqrt(12) * np.sqrt(1 - 1 / np.array([128.0, 8.0, 128.0]) ** 2)
    length = 2 * (2 * 120 / scene.wavelength / cells[2] + 1) * roots[2]
    size, edge = joint.searched_cells()["one_ap"]
    assert size == pytest.approx(area * roots[0] * roots[1] * length, rel=0.03)
    around = 2 * (edge - area * roots[0] * roots[1]) / length
    side = np.linspace(125.0, 225.0, 1001)
    ends = np.column_stack([side, 0 * side + 125]), np.column_stack([side, 0 * side + 225])
    expected = 0.0
    for line in (*ends, ends[0][:, ::-1], ends[1][:, ::-1]):
        far = np.linalg.norm(line, axis=1)
        image = np.column_stack([2 * far / 299792458 / cells[0], line[:, 1] / far / cells[1]])
        expected += np.linalg.norm(np.diff(image * roots[:2], axis=0), axis=1).sum()
    assert around == pytest.approx(expected, rel=0.01)
