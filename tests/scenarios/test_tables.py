"""Tables of access points and gains: units become SI, and what is wrong is named."""

import numpy as np
import pytest

from cfisac import arrays, scenarios

APS = """name,role,x_m,y_km,heading_deg,antennas,spacing_wavelengths
roof,transmit,0,0,90,8,0.5
mast,receive,30,0.05,-90,4,0.5

gate,both,60,0,0,8,0.5
"""


def written(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


def test_access_points(tmp_path):
    table = scenarios.read_aps(written(tmp_path, APS))
    assert table.names == ("roof", "mast", "gate")
    np.testing.assert_allclose(table.positions, [[0, 0], [30, 50], [60, 0]])
    assert table.sends.tolist() == [True, False, True]
    assert table.hears.tolist() == [False, True, True]
    np.testing.assert_array_equal(table.transmitters, table.positions[[0, 2]])
    np.testing.assert_array_equal(table.receivers, table.positions[1:])
    np.testing.assert_allclose(table.headings, [np.pi / 2, -np.pi / 2, 0])
    np.testing.assert_allclose(table.axes, [[-1, 0], [1, 0], [0, 1]], atol=1e-15)
    np.testing.assert_allclose(table.transmit_axes, [[-1, 0], [0, 1]], atol=1e-15)
    np.testing.assert_allclose(table.receive_axes, [[1, 0], [0, 1]], atol=1e-15)
    assert table.n_antennas.tolist() == [8, 4, 8]
    turned = arrays.turned(arrays.linear(2, 1.0), table.rotations)
    np.testing.assert_allclose(turned[:, 1] - turned[:, 0], table.axes, atol=1e-15)


def test_access_points_in_space(tmp_path):
    text = "x_m,y_m,z_cm,heading_deg,tilt_deg\n0,0,1000,0,0\n10,0,1000,90,-90\n"
    table = scenarios.read_aps(written(tmp_path, text))
    assert table.positions.tolist() == [[0, 0, 10], [10, 0, 10]]
    assert table.names == ("0", "1")
    assert table.sends.all()
    assert table.hears.all()
    looks = arrays.turned(np.eye(3), table.rotations)[:, 0]
    np.testing.assert_allclose(looks, [[1, 0, 0], [0, 0, -1]], atol=1e-15)
    np.testing.assert_allclose(np.linalg.det(table.rotations), 1)
    bare = scenarios.read_aps(written(tmp_path, "x_m,y_m\n0,1\n"))
    assert bare.axes is bare.rotations is bare.transmit_axes is bare.n_antennas is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("x_m", "x", "column 'x' must be x_m or x_km"), ("x_m", "x_ft", "column 'x_ft'"),
        ("role", "colour", "column 'colour' is unknown"), ("y_km", "x_km", "x a second time"),
        ("x_m", "z_m", "column x must be in"), ("name", "name_m", "column 'name_m' must be name"),
        ("0.05", "nan", "row 2, column y_km must be a finite number, got 'nan'"),
        ("0.05", "", "row 2, column y_km"), ("0.05", "one", "row 2, column y_km"),
        ("60,0,0,8", "60,0,0,8.5", "row 3, column antennas must be a whole number >= 1"),
        ("60,0,0,8", "60,0,0,0", "row 3, column antennas"),
        ("both", "spectator", "row 3, column role must be transmit, receive, both"),
        ("roof,transmit", "roof", "row 1 must have 7 columns, got 6"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message):
        scenarios.read_aps(written(tmp_path, APS.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x_m,y_m\n", "one row or more"), ("", "one row or more"),
        ("x_m,y_m,z_m\n0,0,1\n0,0,\n", "row 2, column z_m"),  # plane and space mixed
        ("x_m,y_m,tilt_deg\n0,0,1\n", "tilt"),
    ],
)  # fmt: skip
def test_tables_that_are_none(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        scenarios.read_aps(written(tmp_path, text))


def test_headings_in_degrees_that_say_radians_warn(tmp_path):
    with pytest.warns(scenarios.ImplausibleWarning, match="heading.*radians expected"):
        scenarios.read_aps(written(tmp_path, "x_m,y_m,heading_rad\n0,0,90\n"))


def test_gains(tmp_path):
    text = "transmitter,receiver,target,power_dB,phase_deg\n0,1,0,-60,90\n2,0,0,-80,0\n"
    gains = scenarios.read_gains(written(tmp_path, text))
    assert gains.shape == (3, 2, 1)
    assert gains[0, 1, 0] == pytest.approx(1e-3j)
    assert gains[2, 0, 0] == pytest.approx(1e-4)
    assert np.count_nonzero(gains) == 2  # what is not there is blocked
    assert scenarios.read_gains(written(tmp_path, text), (3, 2, 4)).shape == (3, 2, 4)
    other = scenarios.read_gains(written(tmp_path, "ap,target,real,imag\n1,0,3e-4,-4e-4\n"))
    assert other.tolist() == [[0], [3e-4 - 4e-4j]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ap,target,real\n0,0,1\n", "column imag must be in"),
        ("transmitter,target,power_db\n0,0,1\n", "column receiver must be in"),
        ("ap,transmitter,target,power_db\n0,0,0,1\n", "column ap must not"),
        ("ap,target,power_db,real\n0,0,1,1\n", "column power must not"),
        ("ap,target,real,imag,phase_rad\n0,0,1,1,1\n", "column phase must not"),
        ("ap,target,power_w\n0,0,1\n", "column 'power_w' must be power_db"),
        ("ap,target,power_db\n0,0,-9\n0,0,-9\n", "row 2, columns ap, target: .* twice"),
        ("ap,target,power_db\n-1,0,-9\n", "row 1, column ap must be a whole number >= 0"),
        ("ap,target,power_db\n0,0,inf\n", "row 1, column power_db"),
    ],
)  # fmt: skip
def test_gains_that_are_wrong(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        scenarios.read_gains(written(tmp_path, text))


def test_gains_beyond_the_shape(tmp_path):
    path = written(tmp_path, "ap,target,power_db\n0,0,-9\n2,0,-9\n")
    with pytest.raises(ValueError, match=r"row 2.*outside"):
        scenarios.read_gains(path, (2, 1))
    with pytest.raises(ValueError, match="shape"):
        scenarios.read_gains(path, (2, 1, 1))


def test_gains_above_one_warn(tmp_path):
    with pytest.warns(scenarios.ImplausibleWarning, match="gain above one"):
        scenarios.read_gains(written(tmp_path, "ap,target,power_db\n0,0,60\n"))


def test_from_the_tables_to_a_scene(tmp_path):
    table = scenarios.read_aps(written(tmp_path, APS))
    scene = scenarios.MultistaticScene(
        transmitters=table.transmitters, receivers=table.receivers, full_duplex=True,
        transmit_axes=table.transmit_axes, receive_axes=table.receive_axes, n_antennas=8,
        targets=[[28.0, 20.0]], waveform=scenarios.fan_scene(np.random.default_rng(1)).waveform,
        carrier_frequency=28e9, noise_figure_db=7.0, mean_rcs=1.0,
    )  # fmt: skip
    assert len(scene.aps) == 3
    assert np.isfinite(scene.summary().peb).all()


def test_numbers_that_no_array_has_room_for(tmp_path):
    file = tmp_path / "gains.csv"
    for number, named in ((10**24, "column target must be a whole number"), (10**12, "at most")):
        file.write_text(f"transmitter,receiver,target,real,imag\n0,0,{number},1,2\n")
        with pytest.raises(ValueError, match=named):
            scenarios.read_gains(file)
    file.write_text("x_m,y_m,name\n0,0,M\u00fcnster\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"gains\.csv must be text in UTF-8"):
        scenarios.read_aps(file)
