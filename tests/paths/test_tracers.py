"""Adapters, on what sionna-rt 2.2.0 and DeepMIMO 4.0.5 gave (tools/trace_canyon.py)."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.constants import speed_of_light

from cfisac import arrays, fisher
from cfisac.paths import PathTable, from_deepmimo, from_sionna, street_canyon
from cfisac.waveforms import OFDM

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
CARRIER = 28e9
FRAME = OFDM(1024, 14, 120e3)
WALLS = ("los", "reflection")


def script():
    spec = importlib.util.spec_from_file_location("trace", ROOT / "tools" / "trace_canyon.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TRACE = script()


def sionna(which, **changed):
    """The object that the solver returned, as far as it is stored."""
    with np.load(DATA / "sionna_canyon.npz") as stored:
        held = {name: stored[f"{which}.{name}"] for name in (*TRACE.NAMES, "a")}
    return SimpleNamespace(**(held | changed))


def deepmimo(number, **changed):
    with np.load(DATA / "deepmimo_canyon.npz") as stored:
        prefix = f"{number}."
        held = {k.removeprefix(prefix): stored[k] for k in stored.files if k.startswith(prefix)}
    about = {name: held.pop(name).item() for name in ("frequency", "raytracer_name")}
    return SimpleNamespace(**({"rt_params": about} | held | changed))


def test_the_stored_traces_say_what_made_them():
    for name in ("sionna", "deepmimo"):
        with np.load(DATA / f"{name}_canyon.npz") as stored:
            assert stored["version.sionna-rt"] == "2.2.0"
            assert stored["version.DeepMIMO"] == "4.0.5"


def test_lines_of_sight_are_where_the_devices_are():
    """Absolute delay, free-space gain with the carrier's phase, directions, Doppler shift."""
    table = from_sionna(sionna("pair"), CARRIER)
    sight = table.where(kind="los")
    offset = TRACE.PAIR[sight.receiver] - TRACE.APS[sight.transmitter]
    length = np.linalg.norm(offset, axis=-1)
    unit = offset / length[:, None]
    np.testing.assert_allclose(sight.delay * speed_of_light, length, rtol=1e-6)
    np.testing.assert_allclose(sight.depart, unit, atol=1e-6)
    np.testing.assert_allclose(sight.arrive, -unit, atol=1e-6)
    free = speed_of_light / CARRIER / (4 * np.pi * length)
    np.testing.assert_array_less(np.abs(sight.gain), 1.001 * free)  # polarisation takes some
    np.testing.assert_array_less(0.5 * free, np.abs(sight.gain))
    turned = sight.gain * np.exp(2j * np.pi * np.mod(CARRIER * sight.delay, 1.0))
    np.testing.assert_allclose(np.abs(turned.imag), 0, atol=1e-6 * free.max())
    approaching = -unit @ [10.0, 0.0, 0.0] * CARRIER / speed_of_light
    np.testing.assert_allclose(sight.doppler, approaching, rtol=1e-4, atol=1e-2)


def test_images_in_the_walls_move_as_the_table_says():
    """Two traces, their paths paired by what they met: length and direction follow the image.

    The image that an access point sees is ``c tau`` away along ``depart``. It moves with the user
    by the transposed product of the mirrors, exactly, however far.
    """
    table = from_sionna(sionna("pair"), CARRIER)
    one, two = (table.where(receiver=number) for number in (0, 1))
    assert set(one.kind) == set(WALLS)
    paired = 0
    for ap, label in zip(one.transmitter, one.label, strict=True):
        a, b = (each.where(transmitter=ap, label=label) for each in (one, two))
        if len(a) == len(b) == 1:
            moved = a.mirror[0].T @ (TRACE.PAIR[1] - TRACE.PAIR[0])
            image = speed_of_light * a.delay[0] * a.depart[0] + moved
            length = np.linalg.norm(image)
            assert length == pytest.approx(speed_of_light * b.delay[0], abs=2e-4)
            np.testing.assert_allclose(image / length, b.depart[0], atol=2e-5)
            paired += 1
    assert paired >= 0.8 * max(len(one), len(two)) > 15


def test_one_bounce_needs_no_vertices():
    """The mirrors that ends alone tell are those that the vertices have."""
    table = from_sionna(sionna("pair"), CARRIER)
    once = table.where(bounces=[0, 1])
    bare = PathTable(**(once._columns() | {"mirror": None}))
    found = [
        each.where(receiver=0).paths(
            arrays.planar(4, 4), FRAME, 1e-12, "receiver", "known"
        ).information() for each in (once, bare)
    ]  # fmt: skip
    np.testing.assert_allclose(found[0], found[1], atol=1e-4 * np.abs(found[0]).max())


@pytest.mark.parametrize("seed", range(3))
def test_mirrors_are_multiplied_in_the_order_met(seed):
    """The canyon's walls are at right angles, where the order does not matter; these are not."""
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(2, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    flips = np.eye(3) - 2 * normals[:, :, None] * normals[:, None]
    way = [rng.normal(size=3)]
    way += [flips[0] @ way[0], flips[1] @ flips[0] @ way[0]]
    steps = np.array(way) / np.linalg.norm(way[0]) * [[10], [20], [15]]
    places = np.cumsum([[1.0, 2.0, 3.0], *steps], axis=0)
    unit = steps[[0, 2]] / [[10], [-15]]

    def angle(name):
        index = 0 if name.endswith("t") else 1
        x, y, z = unit[index]
        return np.full((1, 1, 1), np.arccos(z) if name.startswith("theta") else np.arctan2(y, x))

    def filled(value):
        return np.full((2, 1, 1, 1), value)

    held = SimpleNamespace(
        a=np.ones((2, 1, 1, 1, 1, 1)), tau=np.full((1, 1, 1), 45 / speed_of_light),
        valid=np.ones((1, 1, 1), bool), doppler=np.zeros((1, 1, 1)), interactions=filled(1),
        objects=filled(4), primitives=filled(5), synthetic_array=True, sources=places[:1].T,
        targets=places[3:].T, vertices=places[1:3].reshape(2, 1, 1, 1, 3),
        **{name: angle(name) for name in ("theta_t", "phi_t", "theta_r", "phi_r")},
    )  # fmt: skip
    table = from_sionna(held, CARRIER)
    np.testing.assert_allclose(table.mirror[0], flips[1] @ flips[0], atol=1e-9)
    np.testing.assert_allclose(table.depart[0], unit[0], atol=1e-12)
    np.testing.assert_allclose(table.arrive[0], unit[1], atol=1e-12)
    assert (table.bounces.tolist(), table.label.tolist()) == ([2], ["1:4:5>1:4:5"])


def test_synthetic_arrays_and_antennas_of_traced_ones():
    """Layouts without antenna axes, and with antennas of which one is chosen."""
    plain, synthetic = (from_sionna(sionna(each), CARRIER) for each in ("pair", "synthetic"))
    assert len(plain) == len(synthetic) > 30
    for row in range(len(plain)):
        ends = {name: getattr(plain, name)[row] for name in ("transmitter", "receiver", "label")}
        (delay,) = synthetic.where(**ends).delay
        assert delay == pytest.approx(plain.delay[row], rel=1e-6)
    with pytest.raises(ValueError, match="antennas must be chosen among 1 of each receiver and 4"):
        from_sionna(sionna("arrays"), CARRIER)
    with pytest.raises(ValueError, match=r"antennas must be below \(1, 4\)"):
        from_sionna(sionna("arrays"), CARRIER, (0, 4))
    held = sionna("arrays")
    places = held.sources.T.reshape(4, 4, 3)  # access point, antenna
    for antenna in range(4):
        sight = from_sionna(held, CARRIER, (0, antenna)).where(kind="los")
        offset = TRACE.PAIR[0] - places[sight.transmitter, antenna]
        length = np.linalg.norm(offset, axis=-1)
        np.testing.assert_allclose(sight.delay * speed_of_light, length, rtol=2e-7)
        np.testing.assert_allclose(sight.depart, offset / length[:, None], atol=1e-6)


def test_refracted_diffracted_and_sensed_paths():
    mixed = sionna("mixed")
    table = from_sionna(mixed, CARRIER)
    diffracted = np.array(["8:" in each for each in table.label])
    refracted = np.array(["4:" in each for each in table.label])
    assert diffracted.any()
    assert np.all(table.kind[diffracted] == "reflection")
    assert np.all(np.isnan(table.mirror[diffracted]))
    assert np.all(np.isfinite(table.mirror[~diffracted]))
    through = refracted & (table.kind == "los")
    np.testing.assert_allclose(table.depart[through], -table.arrive[through], atol=1e-4)
    one = table.where(receiver=0)
    paths = one.paths(arrays.planar(4, 4), FRAME, 1e-12, "receiver", "known")
    slopes = paths.slopes()[0]
    counted = np.isin(one.label, table.label[diffracted])
    assert np.all(slopes[counted, :3] == 0)  # the direction at the access point
    assert np.all(np.abs(slopes[counted, 3]).max(axis=-1) > 0)  # the delay

    echo = from_sionna(sionna("echo"), CARRIER)
    assert echo.kind.tolist() == ["echo"] * 3
    assert echo.target.tolist() == [0] * 3
    there = np.array([5.0, 1.0, 1.0])
    out = np.linalg.norm(there - TRACE.APS[0])
    back = np.linalg.norm(there - TRACE.APS[1 + echo.receiver], axis=-1)
    np.testing.assert_allclose(echo.delay * speed_of_light, out + back, atol=1.5)  # its size
    assert echo.gains().shape == (1, 3, 1)


def test_diffuse_reflections_stay_where_they_are():
    """Of a stored path: the same vertices, said to be diffuse."""
    held = sionna("pair")
    held.interactions = np.where(held.interactions == 1, 2, held.interactions)
    table = from_sionna(held, CARRIER)
    assert set(table.kind) == {"los", "scatter"}
    paths = table.where(receiver=0).paths(
        arrays.planar(4, 4), FRAME, 1e-12, "receiver", "known"
    )  # fmt: skip
    slopes = paths.slopes()[0]
    scattered = table.where(receiver=0).kind == "scatter"
    assert not np.any(slopes[scattered, :3])
    assert np.all(np.abs(slopes[scattered, 3]).max(axis=-1) > 0)


def test_the_bound_of_a_traced_user_is_that_of_its_lines_of_sight():
    table = from_sionna(sionna("pair"), CARRIER)
    user = table.where(receiver=0)
    array = arrays.planar(4, 4)
    alone, known = (
        fisher.position_error_bound(
            user.paths(array, FRAME, 1e-12, "receiver", walls).information()
        ) for walls in ("unknown", "known")
    )  # fmt: skip
    assert known < alone < np.inf
    without = user.where(kind="reflection")
    gone = without.paths(array, FRAME, 1e-12, "receiver")
    assert fisher.position_error_bound(gone.information()) == np.inf


@pytest.mark.parametrize("wrong", ["tau", "angles", "arrive", "vertices", "missing"])
def test_what_is_no_trace_is_refused(wrong):
    held = sionna("pair")
    told = "away from the device"
    if wrong == "tau":  # as cir and cfr have them: from each link's first arrival
        first = np.where(held.valid, held.tau, np.inf).min(axis=-1, keepdims=True)
        held.tau = np.where(held.valid, held.tau - first, -1.0)
        told = "the range is gone"
    elif wrong == "angles":  # elevation where zenith is meant
        held.theta_r = np.pi / 2 - held.theta_r
    elif wrong == "arrive":  # along the wave
        held.theta_r, held.phi_r = np.pi - held.theta_r, held.phi_r + np.pi
    elif wrong == "vertices":
        held.vertices = held.vertices + np.array([0.0, 3.0, 0.0])
    else:
        del held.primitives
        told = "paths must have the attribute primitives"
    with pytest.raises(ValueError, match=told):
        from_sionna(held, CARRIER)


def test_the_chapters_table_is_a_trace_of_the_canyon():
    table = street_canyon()
    sight = table.where(kind="los")
    length = np.linalg.norm(TRACE.STREET[sight.receiver] - TRACE.APS[sight.transmitter], axis=-1)
    np.testing.assert_allclose(sight.delay * speed_of_light, length, rtol=1e-6)
    assert table.carrier_frequency == TRACE.CARRIER
    assert set(table.receiver) == set(range(len(TRACE.STREET)))


def test_deepmimo_has_the_paths_that_sionna_found():
    """dB, degrees, zenith, padding, and lines of sight whose phase is 0 there."""
    several = [deepmimo(number) for number in range(4)]
    street = street_canyon()
    for dataset in (several, SimpleNamespace(datasets=several, power=[1, 2])):
        table = from_deepmimo(dataset)
        same = street.where(receiver=[0, 1, 2])
        assert len(table) == len(same)
        for one in range(len(table)):
            near = np.flatnonzero(
                (same.transmitter == table.transmitter[one])
                & (same.receiver == table.receiver[one])
                & (np.linalg.norm(same.depart - table.depart[one], axis=-1) < 1e-4)
                & (np.linalg.norm(same.arrive - table.arrive[one], axis=-1) < 1e-4)
            )
            assert len(near) == 1
            row = near[0]
            assert table.kind[one] == same.kind[row]
            assert table.bounces[one] == same.bounces[row]
            assert table.delay[one] == pytest.approx(same.delay[row], rel=1e-6)
            assert abs(table.gain[one]) == pytest.approx(abs(same.gain[row]), rel=1e-3)
            turned = np.angle(table.gain[one] / same.gain[row])
            if table.kind[one] == "los":
                assert np.cos(turned) > 0.99
            np.testing.assert_allclose(table.mirror[one], same.mirror[row], atol=1e-3)
    sight = several[0].phase[several[0].inter == 0]
    assert np.all(sight == 0)
    had = from_deepmimo(several[0], phase_has_carrier=True)
    np.testing.assert_allclose(np.angle(had.where(kind="los").gain), 0, atol=1e-6)


def test_a_full_dataset_may_have_lost_paths():
    held = deepmimo(0)
    names = [name for name in vars(held) if name.split("_")[0] in
             ("power", "phase", "delay", "aoa", "aod", "inter")]  # fmt: skip
    one = int(np.flatnonzero(np.isfinite(held.power[1]))[0])
    many = {name: np.repeat(getattr(held, name)[:, [one]], 25, axis=1) for name in names}
    with pytest.warns(UserWarning, match="user 1 of base station 0 has 25 paths"):
        from_deepmimo(deepmimo(0, **{
            name: np.where(np.arange(3).reshape(-1, *[1] * (value.ndim - 1)) == 1, value, np.nan)
            for name, value in many.items()
        }))  # fmt: skip


def test_what_is_no_dataset_is_refused():
    about = {"frequency": 1e9, "raytracer_name": "x"}
    bare = SimpleNamespace(power=np.ones((1, 1)), rt_params=about)
    with pytest.raises(ValueError, match="dataset must have the attribute inter"):
        from_deepmimo(bare)
    with pytest.raises(ValueError, match="carrier_frequency must be given"):
        from_deepmimo(deepmimo(0, rt_params={}))
    with pytest.raises(ValueError, match="phase_has_carrier must be given"):
        from_deepmimo(deepmimo(0, rt_params={"frequency": 1e9}))
    with pytest.raises(ValueError, match="one base station or more"):
        from_deepmimo([])
    with pytest.raises(ValueError, match="dataset must have the attribute power"):
        from_deepmimo(7)
    held = deepmimo(0)
    with pytest.raises(ValueError, match="zenith"):
        from_deepmimo(deepmimo(0, aoa_el=90 - held.aoa_el))
    with pytest.raises(ValueError, match="inter must have the digits 0 to 4; row 0 has 7"):
        from_deepmimo(deepmimo(0, inter=np.where(np.isnan(held.inter), np.nan, 7)))
    late = held.delay - np.nanmin(held.delay, axis=1, keepdims=True)
    with pytest.raises(ValueError, match="the range is gone"):
        from_deepmimo(deepmimo(0, delay=late))


def test_gains_of_another_shape_are_refused():
    for gains, named in (
        (1.0, "must be a pair"),
        ((np.ones(3),) * 3, "must be a pair"),
        ((np.ones(3),) * 2, "must have the axes"),
    ):
        with pytest.raises(ValueError, match=rf"paths\.a {named}"):
            from_sionna(SimpleNamespace(a=gains), 28e9)


class OnlyKeys(dict):
    """As DeepMIMO 4.0.5 answers: a KeyError for an attribute that is not there."""

    def __getattr__(self, name):
        return self[name]


def test_a_dataset_that_raises_key_errors_is_told_what_it_lacks():
    whole = vars(deepmimo(0))
    for lacks, told in (
        ("rt_params", "carrier_frequency must be given"),
        ("delay", "attribute delay"),
    ):
        part = OnlyKeys({name: value for name, value in whole.items() if name != lacks})
        with pytest.raises(ValueError, match=told):
            from_deepmimo(part)
    same = from_deepmimo(OnlyKeys(whole))
    np.testing.assert_array_equal(same.delay, from_deepmimo(deepmimo(0)).delay)
