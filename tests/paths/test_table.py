"""A table of paths: its bound is the FIM of the sampled signal in a canyon of mirrors."""

import itertools

import numpy as np
import oracle
import pytest
from scipy.constants import speed_of_light

from cfisac import arrays, fisher, scenarios
from cfisac.limits import multistatic
from cfisac.paths import Paths, PathTable, one_way
from cfisac.waveforms import OFDM

CARRIER = 3e8  # a metre is about a wavelength, so that differences are well scaled
FRAME = OFDM(7, 1, 1e6 / 3)
FREQUENCIES = np.arange(7) * FRAME.subcarrier_spacing


class Canyon:
    """Mirrors ``n . x = d``, which all paths may use in any order; images tell every path."""

    def __init__(self, normals, offsets):
        self.normals, self.offsets = np.asarray(normals, float), np.asarray(offsets, float)
        self.dimension = self.normals.shape[1]

    def image(self, point, walls):
        for wall in walls:
            n = self.normals[wall]
            point = point - 2 * (point @ n - self.offsets[wall]) * n
        return point

    def mirror(self, walls):
        matrix = np.eye(self.dimension)
        for wall in walls:
            n = self.normals[wall]
            matrix = (np.eye(self.dimension) - 2 * np.outer(n, n)) @ matrix
        return matrix

    def table(self, user, aps, ways, gains, user_sends=True, **more):
        """Paths of the user by way of the walls of each way, seen by all access points."""
        rows = []
        for number, ap in enumerate(aps):
            for walls in ways:
                seen, back = self.image(user, walls) - ap, self.image(ap, walls[::-1]) - user
                length = np.linalg.norm(seen)
                rows.append((number, seen / length, back / length, length / speed_of_light, walls))
        ap, there, here, delay, walls = zip(*rows, strict=True)
        ends = (np.zeros(len(rows), int), np.array(ap))
        units = np.array(here), np.array(there)
        mirror = np.array([self.mirror(each) for each in walls])
        if not user_sends:
            ends, units, mirror = ends[::-1], units[::-1], mirror.swapaxes(-1, -2)
        kind = np.where([len(each) == 0 for each in walls], "los", "reflection")
        bounces = np.array([len(each) for each in walls])
        given = {"kind": kind, "bounces": bounces, "mirror": mirror} | more
        return PathTable(*ends, gains, delay, *units, CARRIER, **given)


def plane(rng):
    return Canyon([[0.0, 1.0], [0.0, 1.0], [0.6, 0.8]], [12.0, -15.0, 30.0])


def space(rng):
    tilted = rng.normal(size=3)
    tilted /= np.linalg.norm(tilted)
    walls = [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], tilted]
    return Canyon(walls, [12.0, -15.0, -8.0, 40.0])


def by_brute_force(signal, state, n_keep, noise_variance, step=1e-4):
    """EFIM of the first of the state, from eighth-order differences of the samples."""
    slopes = oracle.derivatives(signal, state, step)
    return fisher.equivalent_fim(fisher.gaussian_fim(slopes, noise_variance), n_keep)


def samples(image, ap, array, clock, gain):
    """One path: its image is seen by an array, over all frequencies."""
    offset = image - ap
    length = np.linalg.norm(offset)
    by_antenna = np.exp(2j * np.pi * array @ (offset / length))
    delay = length / speed_of_light + 1e-9 * clock
    return gain * np.outer(by_antenna, np.exp(-2j * np.pi * delay * FREQUENCIES)).ravel()


def a_scene(seed, dimension, n_aps=4):
    rng = np.random.default_rng(seed)
    canyon = plane(rng) if dimension == 2 else space(rng)
    user, aps = 3 * rng.normal(size=dimension), 6 * rng.normal(size=(n_aps, dimension))
    own = [rng.normal(size=(4 + k, dimension)) for k in range(n_aps)]
    walls = range(len(canyon.normals))
    ways = [(), *((wall,) for wall in walls), *itertools.permutations(walls, 2)][:8]
    gains = rng.normal(size=(n_aps * len(ways), 2)) @ [1, 1j]
    return canyon, user, aps, own, ways, gains


def whole(paths):
    """Position and clock, the latter in nanoseconds."""
    return paths.with_unknown(1e-9 * paths.columns["clock"]).information()


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("user", ["transmitter", "receiver"])
def test_known_walls_are_the_fim_of_the_sampled_signal(dimension, seed, user):
    """Position and clock, with one and two bounces, a different array at every access point."""
    canyon, place, aps, own, ways, gains = a_scene(seed, dimension)
    n = len(gains)

    def signal(state):
        here, clock, gain = np.split(state, [dimension, dimension + 1])
        gain = (gain[:n] + 1j * gain[n:]).reshape(len(aps), -1)
        return np.concatenate([
            samples(canyon.image(here, walls), ap, array, clock, gain[i, k])
            for i, (ap, array) in enumerate(zip(aps, own, strict=True))
            for k, walls in enumerate(ways)
        ])  # fmt: skip

    state = np.concatenate([place, [0.0], gains.real, gains.imag])
    dense = by_brute_force(signal, state, dimension + 1, 0.5)
    table = canyon.table(place, aps, ways, gains, user == "transmitter")
    found = whole(table.paths(own, FRAME, 0.5, user, "known"))
    np.testing.assert_allclose(found, dense, atol=1e-9 * np.abs(dense).max())
    if dimension == 2:  # the ends of a path tell its mirrors
        told = canyon.table(place, aps, ways, gains, user == "transmitter", mirror=None)
        found = whole(told.paths(own, FRAME, 0.5, user, "known"))
        np.testing.assert_allclose(found, dense, atol=1e-9 * np.abs(dense).max())


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_unknown_walls_are_the_fim_with_an_image_point_for_every_reflection(dimension, seed):
    canyon, place, aps, own, ways, gains = a_scene(seed, dimension)
    n, hidden = len(gains), len(aps) * (len(ways) - 1) * dimension
    images = np.array([canyon.image(place, walls) for _ in aps for walls in ways[1:]])

    def signal(state):
        here, clock, free, gain = np.split(state, np.cumsum([dimension, 1, hidden]))
        gain = (gain[:n] + 1j * gain[n:]).reshape(len(aps), -1)
        free = free.reshape(len(aps), -1, dimension)
        return np.concatenate([
            samples(free[i, k - 1] if k else here, ap, array, clock, gain[i, k])
            for i, (ap, array) in enumerate(zip(aps, own, strict=True))
            for k in range(len(ways))
        ])  # fmt: skip

    state = np.concatenate([place, [0.0], images.ravel(), gains.real, gains.imag])
    dense = by_brute_force(signal, state, dimension + 1, 0.5)
    table = canyon.table(place, aps, ways, gains)
    found = whole(table.paths(own, FRAME, 0.5))
    np.testing.assert_allclose(found, dense, atol=1e-8 * np.abs(dense).max())


@pytest.mark.parametrize("seed", range(3))
def test_without_mirrors_two_bounces_in_space_tell_their_delay(seed):
    """The direction at the access point is free then; one bounce is told by its ends."""
    canyon, place, aps, own, ways, gains = a_scene(seed, 3)
    ways = [(), (0,), (2, 0)]
    gains = gains[: 3 * len(aps)]
    n = len(gains)

    def signal(state):
        here, clock, free, gain = np.split(state, np.cumsum([3, 1, 2 * len(aps)]))
        gain = (gain[:n] + 1j * gain[n:]).reshape(len(aps), -1)
        parts = []
        for i, (ap, array) in enumerate(zip(aps, own, strict=True)):
            for k, walls in enumerate(ways):
                image = canyon.image(here, walls)
                if k == 2:  # turned by two free angles, as far as the image is
                    across = np.linalg.svd((canyon.image(place, walls) - ap)[None])[2][1:]
                    offset = canyon.image(place, walls) - ap + free[2 * i : 2 * i + 2] @ across
                    image = ap + offset * np.linalg.norm(image - ap) / np.linalg.norm(offset)
                parts.append(samples(image, ap, array, clock, gain[i, k]))
        return np.concatenate(parts)

    state = np.concatenate([place, np.zeros(1 + 2 * len(aps)), gains.real, gains.imag])
    dense = by_brute_force(signal, state, 4, 0.5)
    told = canyon.table(place, aps, ways, gains, mirror=None)
    found = whole(told.paths(own, FRAME, 0.5, walls="known"))
    np.testing.assert_allclose(found, dense, atol=1e-8 * np.abs(dense).max())
    nothing = np.full((n, 3, 3), np.nan)
    nothing[1::3] = canyon.mirror((0,))
    some = canyon.table(place, aps, ways, gains, mirror=nothing)
    found = whole(some.paths(own, FRAME, 0.5, walls="known"))
    np.testing.assert_allclose(found, dense, atol=1e-8 * np.abs(dense).max())


@pytest.mark.parametrize("dimension", [2, 3])
def test_known_scatterers_are_the_fim_of_the_sampled_signal(dimension):
    """A point that scatters stays where it is, seen from the same direction."""
    rng = np.random.default_rng(8)
    place, aps = rng.normal(size=dimension), 9 * rng.normal(size=(3, dimension))
    points = 9 * rng.normal(size=(3, dimension))
    array, gains = rng.normal(size=(5, dimension)), rng.normal(size=(3, 2)) @ [1, 1j]
    unit = (points - aps) / np.linalg.norm(points - aps, axis=-1, keepdims=True)

    def signal(state):
        here, clock, gain = np.split(state, [dimension, dimension + 1])
        gain = gain[:3] + 1j * gain[3:]
        length = np.linalg.norm(points - here, axis=-1) + np.linalg.norm(points - aps, axis=-1)
        image = aps + unit * length[:, None]
        return np.concatenate([
            samples(*each, array, clock, g)
            for *each, g in zip(image, aps, gain, strict=True)
        ])  # fmt: skip

    state = np.concatenate([place, [0.0], gains.real, gains.imag])
    dense = by_brute_force(signal, state, dimension + 1, 0.5)
    here = points - place
    far = np.linalg.norm(here, axis=-1, keepdims=True)
    delay = (far[:, 0] + np.linalg.norm(points - aps, axis=-1)) / speed_of_light
    table = PathTable(np.zeros(3), range(3), gains, delay, here / far, unit, CARRIER, "scatter")
    found = whole(table.paths(array, FRAME, 0.5, walls="known"))
    np.testing.assert_allclose(found, dense, atol=1e-9 * np.abs(dense).max())
    assert table.paths(array, FRAME, 0.5).shape == (0,)


@pytest.mark.parametrize("dimension", [2, 3])
def test_lines_of_sight_are_one_way_paths_with_all_their_columns(dimension):
    canyon, place, aps, own, _, gains = a_scene(4, dimension)
    table = canyon.table(place, aps, [()], gains[: len(aps)])
    paths = table.paths(own, FRAME, 0.5, power=2.0)
    rows = np.stack([arrays.aperture(each) for each in own])
    snr = np.abs(gains[: len(aps)]) ** 2 * [len(each) for each in own] * 2 * 7 / 0.5
    direct = one_way(place, aps, snr, FRAME.delay_doppler_covariance()[0, 0], rows)
    names = ("clock", "orientation", "anchor")
    np.testing.assert_allclose(
        paths.with_unknown(*names).each(), direct.with_unknown(*names).each(), rtol=1e-9,
        atol=1e-12 * np.abs(direct.each()).max(),
    )  # fmt: skip
    for name in names:
        assert paths.columns[name].shape[-2:] == direct.columns[name].shape[-2:]


@pytest.mark.parametrize("seed", range(5))
def test_turning_everything_turns_the_bound(seed):
    canyon, place, aps, own, ways, gains = a_scene(seed, 3)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    table = canyon.table(place, aps, ways, gains)
    other = Canyon(canyon.normals @ turn.T, canyon.offsets)
    turned = other.table(turn @ place, aps @ turn.T, ways, gains)
    before = table.paths(own, FRAME, 0.5, walls="known").information()
    moved = [arrays.turned(each, turn) for each in own]
    after = turned.paths(moved, FRAME, 0.5, walls="known").information()
    np.testing.assert_allclose(after, turn @ before @ turn.T, atol=1e-10 * np.abs(before).max())


def test_a_table_stays_itself_on_disk_and_as_text(tmp_path):
    canyon, place, aps, _, ways, gains = a_scene(1, 3)
    doppler, label = np.linspace(-50, 50, len(gains)), [f"way {k}" for k in range(len(gains))]
    table = canyon.table(place, aps, ways, gains, doppler=doppler, label=label)
    table.save(tmp_path / "table.npz")
    again = PathTable.load(tmp_path / "table.npz")
    for name in PathTable.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(table, name))
    np.savez(tmp_path / "strange.npz", delay=[1.0], ghost=[1.0])
    with pytest.raises(ValueError, match=r"unknown \['ghost'\], missing \['arrive', 'carrier_f"):
        PathTable.load(tmp_path / "strange.npz")

    def angles(unit):
        around, up = np.arctan2(unit[1], unit[0]), np.arcsin(unit[2])
        return f"{np.rad2deg(around)!r},{np.rad2deg(up)!r}"

    head = "transmitter,receiver,kind,bounces,delay_ns,gain_db,phase_deg,doppler_hz,label,"
    ends = "depart_azimuth_deg,depart_elevation_deg,arrive_azimuth_deg,arrive_elevation_deg"
    lines = [head + ends] + [
        f"{t.transmitter[0]},{t.receiver[0]},{t.kind[0]},{t.bounces[0]},{1e9 * t.delay[0]!r},"
        f"{20 * np.log10(abs(t.gain[0]))!r},{np.angle(t.gain[0], deg=True)!r},{t.doppler[0]!r},"
        f"{t.label[0]},{angles(t.depart[0])},{angles(t.arrive[0])}"
        for t in (table.take(np.array([k])) for k in range(len(table)))
    ]
    text = "\n".join(lines).replace("np.float64(", "").replace(")", "")
    (tmp_path / "table.csv").write_text(text)
    read = PathTable.from_csv(tmp_path / "table.csv", CARRIER)
    for name in ("gain", "delay", "depart", "arrive", "doppler", "bounces"):
        np.testing.assert_allclose(getattr(read, name), getattr(table, name), rtol=1e-9, atol=1e-12)
    assert read.kind.tolist() == table.kind.tolist()
    assert read.label.tolist() == label


def in_text(tmp_path, head, *lines):
    (tmp_path / "paths.csv").write_text("\n".join([head, *lines]))
    return PathTable.from_csv(tmp_path / "paths.csv", 1e9)


ENDS = "depart_x,depart_y,arrive_azimuth_deg"
HEAD = f"transmitter,receiver,kind,length_m,gain_db,{ENDS}"
ROW = "0,1,los,30,-80,1,0,180"


def test_units_in_text(tmp_path):
    table = in_text(tmp_path, HEAD, ROW)
    assert table.dimension == 2
    assert table.delay[0] == pytest.approx(30 / speed_of_light)
    assert table.gain[0] == pytest.approx(1e-4 * np.exp(-2j * np.pi * 1e9 * table.delay[0]))
    other = HEAD.replace("length_m", "delay_us").replace("gain_db", "gain_re,gain_im")
    table = in_text(tmp_path, other, "0,1,los,0.1,3e-5,4e-5,1,0,180")
    assert table.delay[0] == pytest.approx(1e-7)
    assert table.gain[0] == pytest.approx(3e-5 + 4e-5j)
    head = HEAD.replace(ENDS, "depart_azimuth_rad,depart_zenith_deg,arrive_x,arrive_y,arrive_z")
    table = in_text(tmp_path, head, "0,1,los,30,-80,1.5707963267948966,60,0,-0.866025404,-0.5")
    np.testing.assert_allclose(table.depart[0], [0, np.sqrt(3) / 2, 0.5], atol=1e-12)


@pytest.mark.parametrize(
    ("head", "row", "told"),
    [
        (HEAD + ",colour", ROW + ",7", "column 'colour' is unknown, allowed"),
        (HEAD.replace("length_m", "delay_min"), ROW, "column 'delay_min' has the unknown unit"),
        (HEAD.replace("length_m", "delay"), ROW, "column 'delay' must say its unit: delay_s"),
        (HEAD, ROW.replace("30", "nan"), "row 1, column 'length_m' must be a finite number"),
        (HEAD, ROW.replace("30", ""), "row 1, column 'length_m' must be a finite number, got ''"),
        (HEAD, ROW.replace("-80", "loud"), "row 1, column 'gain_db'"),
        (HEAD, ROW.replace("los", "ghost"), "kind must be one of los, .*; row 1 has ghost"),
        (HEAD, ROW + ",1", "row 1 must have 8 entries, got 9"),
        (HEAD, ROW.replace("80,1,0", "80,1,1"), "row 1, column 'depart_x' and on must be a unit"),
        (HEAD, ROW.replace("180", "0"), "arrive must be -depart in a line of sight.*row 1"),
        (HEAD + ",delay_ns", ROW + ",7", "delay must be in one column of delay_s, .*length_m"),
        (HEAD + ",depart_zenith_deg", ROW + ",7", "one thing twice, got depart_zenith_deg"),
        (HEAD.replace("receiver", "target"), ROW, "columns must hold receiver"),
        (HEAD + ",kind", ROW + ",7", "columns must differ"),
        (HEAD.replace("receiver", "transmitter"), ROW, "columns must differ"),
    ],
)
def test_text_that_is_no_table_names_row_and_column(tmp_path, head, row, told):
    lines = [ROW if head == HEAD else row, row]
    with pytest.raises(ValueError, match=told):
        in_text(tmp_path, head, *lines)


def test_an_empty_file_is_no_table(tmp_path):
    (tmp_path / "paths.csv").write_text("")
    with pytest.raises(ValueError, match="names the columns"):
        PathTable.from_csv(tmp_path / "paths.csv", 1e9)


def good(**changed):
    """Two lines of sight, with some columns changed."""
    columns = {
        "transmitter": [0, 0], "receiver": [0, 1], "gain": [1e-4, 1e-4j], "delay": [1e-7, 2e-7],
        "depart": np.eye(2), "arrive": -np.eye(2), "carrier_frequency": 3e9,
    }  # fmt: skip
    return PathTable(**(columns | changed))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"delay": [1e-7, np.nan]}, "delay must be finite; row 1 has nan"),
        ({"gain": [1, np.inf]}, "gain must be finite; row 1"),
        ({"depart": [[1, 0], [np.nan, 1]]}, "depart must be finite; row 1"),
        ({"depart": [[1, 0], [0, 1.1]]}, "depart must be a unit vector; row 1"),
        ({"depart": np.eye(3)[:2]}, "same dimension, got depart 3, arrive 2"),
        ({"depart": np.ones((2, 4))}, r"depart must have shape \(2, 2\) or \(2, 3\)"),
        ({"arrive": np.eye(2)}, "points back to the source; row 0"),
        ({"transmitter": [0, -1]}, "transmitter must be a whole number >= 0; row 1 has -1"),
        ({"receiver": [0, 0.5]}, "receiver must be a whole number >= 0; row 1 has 0.5"),
        ({"receiver": [0, 1, 2]}, r"receiver must have shape \(2,\)"),
        ({"kind": ["los", "around"]}, "kind must be one of los, .*; row 1 has around"),
        ({"kind": [1, 2]}, "kind must be words"),
        ({"kind": "echo"}, "target must be >= 0 for an echo and -1 else; row 0"),
        ({"target": [-1, 3]}, "target must be >= 0 for an echo and -1 else; row 1"),
        ({"kind": "reflection", "bounces": 0}, "bounces must be a whole number, >= 1"),
        ({"carrier_frequency": 0.0}, "carrier_frequency must be > 0"),
        ({"doppler": [0.0, np.nan]}, "doppler must be finite; row 1"),
        ({"rounding": -1.0}, "rounding must be >= 0; row 0"),
        ({"delay": [1e-7, 0.0]}, "delay must be > 0; row 1"),
        ({"delay": [0.0, 0.0]}, "every link starts with the delay zero: the range is gone"),
        ({"delay": [0.0, 1e-8], "receiver": 0}, "the range is gone"),
        ({"mirror": np.ones((2, 2))}, r"mirror must have shape \(2, 2, 2\)"),
        ({"mirror": np.ones((2, 2, 2))}, "mirror must be orthogonal; row 0"),
        ({"kind": "reflection", "mirror": np.tile(np.diag([-1.0, 1]), (2, 1, 1))},
         "mirror @ depart = -arrive; row 0"),
    ],
)  # fmt: skip
def test_rows_that_are_no_paths_are_named(changed, told):
    with pytest.raises(ValueError, match=told):
        good(**changed)


def test_bad_questions_are_named():
    table, array = good(), arrays.linear(4)
    for arguments, told in (
        ((array, FRAME, 0.0), "noise_variance must be > 0"),
        ((array, FRAME, 1.0, "drone"), "user must be 'transmitter' or 'receiver'"),
        ((array, FRAME, 1.0, "receiver"), r"receiver must be one user, got \[0, 1\]: choose by wh"),
        ((array, FRAME, 1.0, "transmitter", "gone"), "walls must be 'unknown' or 'known'"),
        ((array, FRAME, 1.0, "transmitter", "known", 0.0), "power must be > 0"),
        (([array], FRAME, 1.0), "arrays must hold one for access point 1"),
        (({0: array}, FRAME, 1.0), "arrays must hold one for access point 1"),
        ((arrays.planar(2, 2), FRAME, 1.0), r"arrays must have shape \(..., n, 2\)"),
        ((array, 20e6, 1.0), "waveform must be an OTFS or OFDM frame"),
    ):
        with pytest.raises(ValueError, match=told):
            table.paths(*arguments)
    for rows in ([0, 2], [-1], [0.0], [True], [[0]], 0):
        with pytest.raises(ValueError, match="rows must be of 0 to 1"):
            table.take(rows)
    assert table.take([1, 0]).delay.tolist() == [2e-7, 1e-7]
    assert len(table.take([])) == 0
    with pytest.raises(ValueError, match="columns must be of transmitter"):
        table.where(gain=1.0)
    with pytest.raises(ValueError, match="cells must be > 0"):
        table.unresolved(FRAME, cells=0.0)


def test_what_cannot_be_known_is_infinite():
    """No line of sight, too few of them, a clock that no delay can tell, no aperture."""
    reflected = good(kind="reflection", arrive=-np.eye(2)[::-1])
    peb = fisher.position_error_bound
    array = arrays.linear(4)
    assert peb(reflected.paths(array, FRAME, 1.0).information()) == np.inf
    assert np.isfinite(peb(reflected.paths(array, FRAME, 1.0, walls="known").information()))
    one = good().where(receiver=0)
    assert peb(one.paths(None, FRAME, 1.0).information()) == np.inf
    both = good().paths(None, FRAME, 1.0)
    assert np.isfinite(peb(both.information()))
    clock = fisher.crlb(both.with_unknown("clock").information())
    assert np.all(np.isinf(np.diagonal(clock)))
    axis = arrays.linear(4, axis=(1.0, 0.0))  # along the path: no angle
    assert peb(one.paths(axis, FRAME, 1.0).information()) == np.inf
    assert np.isfinite(peb(one.paths(array, FRAME, 1.0).information()))
    empty = good().where(receiver=7)
    assert isinstance(empty.paths(array, FRAME, 1.0), Paths)
    assert peb(empty.paths(array, FRAME, 1.0).information()) == np.inf


def test_single_precision_is_told_from_zero():
    """Two access points in one line with the user, as a tracer of 32 bits has them: no bound."""
    unit = np.array([0.6, 0.8]) + [[2.4e-7, -1.8e-7], [0, 0]]
    off = unit / np.linalg.norm(unit, axis=-1, keepdims=True)
    rough = good(depart=off.astype(np.float32), arrive=-off.astype(np.float32))
    assert fisher.position_error_bound(rough.paths(None, FRAME, 1.0).information()) == np.inf


def test_without_an_access_point_and_with_other_columns():
    canyon, place, aps, own, ways, gains = a_scene(2, 2)
    table = canyon.table(place, aps, ways, gains)
    left = table.where(receiver=[0, 1, 3])
    fewer = canyon.table(place, aps[:3], ways, gains[: 3 * len(ways)])
    assert len(left) == len(fewer) == 3 * len(ways)
    every = table.paths(own, FRAME, 0.5, walls="known").each()
    kept = left.paths(own, FRAME, 0.5, walls="known").information()
    np.testing.assert_allclose(kept, every[table.receiver != 2].sum(axis=0), rtol=1e-12)
    assert len(table.where(kind="los")) == len(aps)
    assert len(table.where(receiver=1, bounces=2)) == sum(len(each) == 2 for each in ways)
    with pytest.raises(ValueError, match="read-only"):
        table.delay[0] = 1.0


def test_gains_of_echoes_are_those_of_the_scene():
    """A table of the echoes of fan's scene gives the bound that its radar equation gives."""
    scene = scenarios.fan_scene(np.random.default_rng(1))
    power, gains = scenarios.equal_power(scene), multistatic.rms_gains(scene)
    index = np.stack(np.indices(gains.shape), axis=-1).reshape(-1, 3)
    index = index[np.random.default_rng(2).permutation(len(index))]
    p, r, t = index.T
    out, back = (ends[k] - scene.targets[t] for ends, k in ((scene.transmitters, p),
                                                            (scene.receivers, r)))  # fmt: skip
    far, near = np.linalg.norm(out, axis=-1), np.linalg.norm(back, axis=-1)
    table = PathTable(
        p, r, gains[p, r, t], (far + near) / speed_of_light, -out / far[:, None],
        -back / near[:, None], scene.carrier_frequency, "echo", t,
    )  # fmt: skip
    np.testing.assert_array_equal(table.gains(), gains)
    told = multistatic.position_efim(scene, power, gains=table.gains(gains.shape))
    np.testing.assert_allclose(told, multistatic.position_efim(scene, power), rtol=1e-12)
    first = table.where(transmitter=0, target=0)
    larger = first.gains(gains.shape)
    assert np.count_nonzero(larger) == gains.shape[1]
    for wrong in ((1, 1, 0), (1, 1)):
        with pytest.raises(ValueError, match=r"shape must be \(P, R, T\) of at least"):
            table.gains(wrong)
    with pytest.raises(ValueError, match="must be seen once on its link"):
        table.take(np.array([3, 4, 3])).gains()


def test_resolution_is_counted_in_cells():
    """Delay times bandwidth, Doppler times duration, sine times aperture: one cell each."""
    frame, array = OFDM(64, 16, 1e6), arrays.linear(8)
    unit = np.array([[1.0, 0.0], [0.6, 0.8]])

    def apart(**changed):
        given = {"receiver": 0, "kind": "reflection", "arrive": np.tile(unit[1], (2, 1)),
                 "delay": [1e-7, 1e-7]} | changed  # fmt: skip
        return good(**given).unresolved(frame, array, cells=50)

    band = np.sqrt(1 - 1 / 64**2)
    found = apart(delay=[1e-7, 1e-7 + 3 / frame.bandwidth])
    np.testing.assert_allclose(found.cells, [3 * band])
    assert (found.first.tolist(), found.second.tolist()) == ([0], [1])
    found = apart(doppler=[0, 2 / (16 * frame.symbol_period)])
    np.testing.assert_allclose(found.cells, [2 * np.sqrt(1 - 1 / 16**2)])
    found = apart(arrive=unit)
    np.testing.assert_allclose(found.cells, [0.8 * 8 * 0.5 * np.sqrt(1 - 1 / 8**2)])
    assert not len(apart(delay=[1e-7, 2e-6]).first)
    assert not len(apart(delay=[1e-7, 1.001e-7], receiver=[0, 1]).first)  # other links
    nearest = good(
        transmitter=[0] * 3, receiver=[0] * 3, gain=1.0, delay=[1e-7, 1.2e-7, 1.25e-7],
        depart=unit[[0, 0, 0]], arrive=unit[[1, 1, 1]], kind="reflection",
    ).unresolved(frame, cells=10.0)  # fmt: skip
    assert nearest.first.tolist() == [1, 0, 0]
    assert nearest.second.tolist() == [2, 1, 2]


@pytest.mark.parametrize("cells", [1.0, 2.0])
def test_what_a_cell_leaves_of_the_delay(cells):
    """Two echoes a cell apart keep about half of the delay's information, two cells nine tenths."""
    n = 64
    frequencies = np.arange(n) - (n - 1) / 2
    ramp = 2 * np.pi * frequencies
    kept = []
    for phase in np.linspace(0, np.pi, 16, endpoint=False):
        one, two = (np.exp(-1j * ramp * tau) for tau in (0.0, cells / n))
        two = two * np.exp(1j * phase)
        slopes = np.stack(
            [-1j * ramp * one, one, 1j * one, -1j * ramp * two, two, 1j * two], axis=-1
        )
        fim = fisher.gaussian_fim(slopes, 1.0)
        alone = fisher.equivalent_fim(fim[:3, :3], 1)
        kept.append(float(fisher.equivalent_fim(fim, 1)[0, 0] / alone[0, 0]))
    assert np.mean(kept) == pytest.approx({1.0: 0.43, 2.0: 0.91}[cells], abs=0.01)


def test_numbers_beyond_an_index_are_refused():
    """They would wrap around to negative ones."""
    row = {
        "transmitter": [0], "receiver": [0], "gain": 1e-4, "delay": [1e-7], "depart": [[1.0, 0.0]],
        "arrive": [[-1.0, 0.0]], "carrier_frequency": 28e9,
    }  # fmt: skip
    for name in ("transmitter", "receiver", "target", "bounces"):
        for value in (1e300, 2**70):
            kind = "echo" if name == "target" else "los"
            with pytest.raises(ValueError, match=f"{name} must be a whole number"):
                PathTable(
                    **row | {"kind": kind, "target": 0 if kind == "echo" else -1, name: value}
                )
    far = PathTable(**row | {"kind": "echo", "target": [10**12]})
    with pytest.raises(ValueError, match="gains must have at most"):
        far.gains()
    with pytest.raises(ValueError, match="mirror must be an array of real numbers"):
        PathTable(**row | {"mirror": "a"})


def test_text_of_spreadsheets(tmp_path):
    """They write a byte order mark, or not UTF-8 at all; x and z alone are no plane."""
    head = "transmitter,receiver,kind,delay_ns,gain_db,depart_x,depart_y,arrive_x,arrive_y\n"
    row = "0,1,los,100,-80,1,0,-1,0\n"
    file = tmp_path / "paths.csv"
    file.write_text(head + row, encoding="utf-8-sig")
    assert PathTable.from_csv(file, 28e9).receiver == 1
    file.write_text(head + row.replace("los", "l\u00f6s"), encoding="latin-1")
    with pytest.raises(ValueError, match=r"paths\.csv must be text in UTF-8"):
        PathTable.from_csv(file, 28e9)
    file.write_text(head.replace("depart_y", "depart_z") + row)
    with pytest.raises(ValueError, match="depart must have depart_x and depart_y"):
        PathTable.from_csv(file, 28e9)
