"""Delays, angles and Doppler shifts: SymPy identities, finite differences, invariances, limits."""

import numpy as np
import oracle
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import speed_of_light

from cfisac import fisher, geometry

QUICK = settings(deadline=None, max_examples=40)
SCENES = st.integers(0, 2**32 - 1).map(lambda seed: Scene(np.random.default_rng(seed)))
CARRIER = 3.5e9


def turned(angle):
    """Unit vectors at angles from the x axis, and rotation matrices are built from them."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


class Scene:
    """Targets at least 5 m from four transmitters and four receivers, all random."""

    def __init__(self, rng):
        self.rng = rng
        self.transmitters = rng.uniform(-150, 150, (4, 2))
        self.receivers = rng.uniform(-150, 150, (4, 2))
        self.transmit_axes = turned(rng.uniform(-np.pi, np.pi, 4))
        self.receive_axes = turned(rng.uniform(-np.pi, np.pi, 4))
        near = self.receivers[rng.integers(4)]
        self.position = near + rng.uniform(10, 150) * turned(rng.uniform(-np.pi, np.pi))
        anchors = np.concatenate([self.transmitters, self.receivers])
        while np.min(np.linalg.norm(self.position - anchors, axis=-1)) < 5:
            self.position = self.position + [3.0, 4.0]
        self.velocity = rng.uniform(1, 60) * turned(rng.uniform(-np.pi, np.pi))
        self.state = np.concatenate([self.position, self.velocity])

    def bistatic(self, state=None, **changes):
        state = self.state if state is None else np.asarray(state)
        arguments = {
            "position": state[..., None, :2],
            "velocity": state[..., None, 2:],
            "transmitters": self.transmitters,
            "receivers": self.receivers,
            "transmit_axes": self.transmit_axes,
            "receive_axes": self.receive_axes,
            "carrier_frequency": CARRIER,
        }
        return geometry.bistatic(**(arguments | changes))

    def monostatic(self, state=None, **changes):
        state = self.state if state is None else np.asarray(state)
        arguments = {
            "position": state[..., None, :2],
            "velocity": state[..., None, 2:],
            "aps": self.receivers,
            "carrier_frequency": CARRIER,
            "axes": self.receive_axes,
        }
        return geometry.monostatic(**(arguments | changes))

    def toa_aoa(self, state=None):
        state = self.state if state is None else np.asarray(state)
        return geometry.toa_aoa(state[..., None, :2], self.receivers)


def assert_close(actual, expected, scale, tolerance=1e-9):
    """Equal to ``tolerance`` times a natural size, since some gradients may vanish."""
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=0, atol=tolerance)


# --------------------------------------------------------------- symbols: printed and repaired


class Symbols:
    """A target (x, y) moving with (v_x, v_y), seen from (a, b) and sent to from (p, q)."""

    x, y, v_x, v_y, a, b, p, q = sp.symbols("x y v_x v_y a b p q", real=True)
    alpha, gamma = sp.symbols("alpha gamma", real=True)  # directions of the two arrays
    c, wavelength, carrier, speed, heading = sp.symbols("c lambda f_c v theta_u", positive=True)
    target, velocity = sp.Matrix([x, y]), sp.Matrix([v_x, v_y])
    receiver, transmitter = sp.Matrix([a, b]), sp.Matrix([p, q])
    receive_axis = sp.Matrix([sp.cos(alpha), sp.sin(alpha)])
    transmit_axis = sp.Matrix([sp.cos(gamma), sp.sin(gamma)])

    @classmethod
    def length(cls, vector):
        return sp.sqrt((vector.T * vector)[0])

    @classmethod
    def sight(cls):
        """Distance, unit vector and its turn, of the target seen from the receiver."""
        offset = cls.target - cls.receiver
        distance = cls.length(offset)
        unit = offset / distance
        return distance, unit, sp.Matrix([-unit[1], unit[0]])


def gradient(expression, variables=(Symbols.x, Symbols.y)):
    return sp.Matrix([expression]).jacobian(list(variables))


def is_zero(expression):
    return all(sp.simplify(entry) == 0 for entry in sp.Matrix([expression]))


def fan(sign):
    """(10) and (21) of fan_conf; ``sign`` -1 as printed, +1 with rho_pt towards the target."""
    s = Symbols
    d_tr, d_pt = s.length(s.target - s.receiver), s.length(s.target - s.transmitter)
    rho_tr = (s.target - s.receiver) / d_tr
    rho_pt = sign * (s.target - s.transmitter) / d_pt
    parameters = [
        sp.pi * (rho_tr.T * s.receive_axis)[0],
        sp.pi * (rho_pt.T * s.transmit_axis)[0],
        (d_pt + d_tr) / s.c,
        (s.velocity.T * (rho_pt + rho_tr))[0] / s.wavelength,
    ]
    flat_tr = (sp.eye(2) - rho_tr * rho_tr.T) / d_tr
    flat_pt = (sp.eye(2) - rho_pt * rho_pt.T) / d_pt
    rows = [
        sp.pi * s.receive_axis.T * flat_tr,
        sp.pi * s.transmit_axis.T * flat_pt,
        (rho_tr + rho_pt).T / s.c,
        s.velocity.T * (flat_tr + flat_pt) / s.wavelength,
    ]
    return parameters, rows


AT = {
    Symbols.x: 60, Symbols.y: 40, Symbols.v_x: 5, Symbols.v_y: 12, Symbols.a: 100, Symbols.b: -10,
    Symbols.p: 3, Symbols.q: 7, Symbols.alpha: 2, Symbols.gamma: sp.Rational(1, 2),
    Symbols.c: 3, Symbols.wavelength: sp.Rational(1, 100),
}  # fmt: skip


def test_commit_11_the_directions_form_a_right_angle_and_have_the_gradients_used_everywhere():
    distance, unit, across = Symbols.sight()
    assert is_zero(unit.T * across)
    assert is_zero(Symbols.length(across) - 1)
    assert is_zero(unit[0] * across[1] - unit[1] * across[0] - 1)  # counter-clockwise
    assert is_zero(gradient(distance) - unit.T)
    by_position = unit.jacobian([Symbols.x, Symbols.y])
    assert is_zero(by_position - (sp.eye(2) - unit * unit.T) / distance)
    assert is_zero(by_position - across * across.T / distance)


def test_commit_13_and_14_gradients_of_delay_and_bearing():
    s = Symbols
    distance, unit, across = s.sight()
    assert is_zero(gradient(distance / s.c) - unit.T / s.c)
    bearing = sp.atan2(s.y - s.b, s.x - s.a)
    assert is_zero(gradient(bearing) - across.T / distance)
    numbers = geometry.toa_aoa([60, 40], [100, -10])[1]
    at = {**AT, s.c: speed_of_light}
    np.testing.assert_allclose(numbers[0], np.ravel((unit.T / s.c).subs(at).evalf()).astype(float))
    np.testing.assert_allclose(
        numbers[1], np.ravel((across.T / distance).subs(at).evalf()).astype(float)
    )


@pytest.mark.parametrize("row", range(4))
def test_fan_21_is_the_jacobian_once_both_rho_point_to_the_target(row):
    """All four rows, and their short forms with the turned unit vectors."""
    s = Symbols
    parameters, rows = fan(+1)
    origin = {s.a: 0, s.b: 0}  # of the plane; the receiver may be there
    assert is_zero((gradient(parameters[row]) - rows[row]).subs(origin))
    d_tr, rho_tr, across_tr = s.sight()
    d_pt = s.length(s.target - s.transmitter)
    rho_pt = (s.target - s.transmitter) / d_pt
    across_pt = sp.Matrix([-rho_pt[1], rho_pt[0]])

    def turning(vector, distance, across):
        return (vector.T * across)[0] / distance * across

    short = [
        sp.pi * turning(s.receive_axis, d_tr, across_tr),
        sp.pi * turning(s.transmit_axis, d_pt, across_pt),
        (rho_tr + rho_pt) / s.c,
        (turning(s.velocity, d_tr, across_tr) + turning(s.velocity, d_pt, across_pt))
        / s.wavelength,
    ]
    assert is_zero((short[row].T - rows[row]).subs(origin))


@pytest.mark.parametrize("row", range(4))
def test_package_bistatic_is_fan_10_and_21_mended(row):
    """Values and left half of the Jacobian, with the physical sign of the Doppler shift."""
    s = Symbols
    parameters, rows = fan(+1)
    carrier = speed_of_light / 0.01
    at = {**AT, s.c: speed_of_light}
    sign = -1 if row == 3 else 1
    numbers, jacobian = geometry.bistatic(
        [60, 40], [5, 12], [3, 7], [100, -10], turned(0.5), turned(2.0), carrier
    )
    np.testing.assert_allclose(numbers[row], sign * float(parameters[row].subs(at).evalf()))
    expected = np.ravel(rows[row].subs(at).evalf()).astype(float)
    np.testing.assert_allclose(jacobian[row, :2], sign * expected)
    by_velocity = gradient(parameters[row], (s.v_x, s.v_y)).subs(at).evalf()
    expected = np.ravel(by_velocity).astype(float)
    np.testing.assert_allclose(jacobian[row, 2:], sign * expected)


def test_fan_21_as_printed_is_right_in_its_first_row_only():
    """Not the Jacobian of (10) as printed."""
    parameters, rows = fan(-1)
    assert is_zero(gradient(parameters[0]) - rows[0])
    for row in (1, 2, 3):
        wrong = (gradient(parameters[row]) - rows[row]).subs(AT).evalf()
        right = gradient(parameters[row]).subs(AT).evalf()
        assert wrong.norm() > 0.1 * right.norm()


def test_fan_21_printed_delay_row_is_at_a_right_angle_to_the_gradient():
    parameters, rows = fan(-1)
    assert is_zero(gradient(parameters[2]) * rows[2].T)
    printed, right = rows[2].norm() * Symbols.c, gradient(parameters[2]).norm() * Symbols.c
    assert is_zero(printed**2 + right**2 - 4)  # 2 sin and 2 cos of half the bistatic angle


def test_fan_10_as_printed_is_not_the_rate_of_the_path():
    """The Doppler shift is minus the rate of the path length, in wavelengths."""
    s = Symbols
    time = sp.symbols("t", real=True)
    moved = {s.x: s.x + s.v_x * time, s.y: s.y + s.v_y * time}
    mended, printed = fan(+1)[0], fan(-1)[0]
    rate = sp.diff((mended[2] * s.c / s.wavelength).subs(moved, simultaneous=True), time)
    assert is_zero(rate.subs(time, 0) - mended[3])
    assert abs(float((rate.subs(time, 0) - printed[3]).subs(AT).evalf())) > 100
    there_and_back = {s.p: s.a, s.q: s.b}
    assert is_zero(printed[3].subs(there_and_back))  # no shift, however fast the target
    _, unit, _ = s.sight()
    assert is_zero(mended[3].subs(there_and_back) - 2 * (s.velocity.T * unit)[0] / s.wavelength)


# ------------------------------------------------------------------------- liu, as printed


def liu():
    """Parameters by (58), polar velocity; and the printed (13) and (15) of one access point."""
    s = Symbols
    theta_x, epsilon = s.x - s.a, s.y - s.b
    eta = sp.sqrt(theta_x**2 + epsilon**2)
    cosine = (theta_x * sp.cos(s.heading) + epsilon * sp.sin(s.heading)) / eta
    sine = (epsilon * sp.cos(s.heading) - theta_x * sp.sin(s.heading)) / eta
    doppler = -2 * s.carrier * s.speed * cosine / s.c
    xi = doppler * sine / cosine
    parameters = sp.Matrix([2 * eta / s.c, epsilon / eta, doppler])
    printed_p = sp.Matrix([
        [2 * theta_x / (eta * s.c), -epsilon * theta_x / eta**3, xi * epsilon / eta**2],
        [2 * epsilon / (eta * s.c), theta_x**2 / eta**3, -xi / theta_x],
    ])  # fmt: skip
    printed_t = sp.Matrix([
        [epsilon * theta_x * doppler / (eta * xi * s.c), cosine**2 / (s.speed * sine),
         -2 * s.carrier * cosine / s.c],
        [epsilon * theta_x / (2 * eta * s.c), theta_x / eta,
         -2 * s.carrier * s.speed * sine / s.c],
    ])  # fmt: skip
    return parameters, printed_p, printed_t, {"Theta": theta_x, "eta": eta, "Xi": xi, "sine": sine}


def test_liu_13_one_entry_is_too_large_by_one_over_the_squared_cosine():
    s = Symbols
    parameters, printed, _, parts = liu()
    right = parameters.jacobian([s.x, s.y]).T
    wrong = (printed - right).applyfunc(sp.simplify)
    assert [i for i in range(6) if wrong[i] != 0] == [5]  # only the last entry
    assert is_zero(right[1, 2] + parts["Xi"] * parts["Theta"] / parts["eta"] ** 2)
    assert is_zero(printed[1, 2] / right[1, 2] - (parts["eta"] / parts["Theta"]) ** 2)


def test_liu_13_xi_without_its_zero_times_infinity():
    s = Symbols
    _, _, _, parts = liu()
    assert is_zero(parts["Xi"] + 2 * s.carrier * s.speed * parts["sine"] / s.c)
    # A car that crosses the line of sight: the product f_D tan is 0 where Xi is not.
    across = geometry.monostatic([100, 0], [0, 20], [0, 0], CARRIER)
    assert across[0][2] == 0
    expected = -2 * CARRIER / speed_of_light * 20 / 100
    np.testing.assert_allclose(across[1][2, :2], [0, expected])


def test_liu_15_delay_and_angle_do_not_depend_on_the_velocity():
    s = Symbols
    parameters, _, printed, _ = liu()
    right = parameters.jacobian([s.speed, s.heading]).T
    assert is_zero(right[:, :2])
    assert is_zero(printed[:, 2] - right[:, 2])
    at = {**AT, s.speed: 20, s.heading: sp.Rational(7, 4), s.carrier: 10}
    assert all(abs(float(entry.subs(at).evalf())) > 1e-3 for entry in printed[:, :2])


def test_package_monostatic_is_liu_4_with_the_corrected_jacobians():
    """Liu's polar Jacobians follow from the Cartesian one by the chain rule."""
    s = Symbols
    parameters, _, _, _ = liu()
    at = {**AT, s.c: speed_of_light, s.speed: 20, s.heading: sp.Rational(7, 4), s.carrier: CARRIER}
    heading = turned(1.75)
    numbers, jacobian = geometry.monostatic([60, 40], 20 * heading, [100, -10], CARRIER)
    np.testing.assert_allclose(numbers, np.ravel(parameters.subs(at).evalf()).astype(float))
    polar = np.zeros((4, 4))
    polar[:2, :2] = np.eye(2)
    polar[2:, 2] = heading
    polar[2:, 3] = 20 * np.array([-heading[1], heading[0]])
    expected = parameters.jacobian([s.x, s.y, s.speed, s.heading]).subs(at).evalf()
    expected = np.array(expected).astype(float)
    np.testing.assert_allclose(jacobian @ polar, expected, atol=1e-12 * np.abs(expected).max())


def test_liu_58_the_tangent_leaves_two_angles():
    """Right where x > x_l; behind an access point arctan turns angle and Doppler shift round."""
    velocity, carrier = np.array([3.0, 8.0]), CARRIER
    for offset, sign in (([30.0, 40.0], 1), ([-30.0, 40.0], -1)):
        angle = np.arctan(offset[1] / offset[0])
        speed, heading = np.hypot(*velocity), np.arctan2(*velocity[::-1])
        doppler = -2 * carrier * speed * np.cos(angle - heading) / speed_of_light
        (_, sine, shift), _ = geometry.monostatic(offset, velocity, [0.0, 0.0], carrier)
        np.testing.assert_allclose([np.sin(angle), doppler], [sign * sine, sign * shift])


# -------------------------------------------------------------------------- finite differences


@QUICK
@given(SCENES)
def test_bistatic_jacobian_is_that_of_its_parameters(scene):
    parameters, jacobian = scene.bistatic()
    d_t, d_r = (
        np.linalg.norm(scene.position - ends, axis=-1)
        for ends in (scene.transmitters, scene.receivers)
    )
    wave = CARRIER / speed_of_light
    reach = 1 / np.minimum(d_t, d_r)
    speed = np.linalg.norm(scene.velocity)
    size = np.stack([np.pi * reach, np.pi * reach, 0 * reach + 1 / speed_of_light,
                     wave * speed * reach], axis=-1)  # fmt: skip
    dense = oracle.derivatives(lambda state: scene.bistatic(state)[0], scene.state, 1e-3)
    assert_close(jacobian[..., :2], dense[..., :2], size[..., None], 1e-6)
    size[..., 3] = wave
    assert_close(jacobian[..., 2:], dense[..., 2:], size[..., None], 1e-6)
    np.testing.assert_allclose(parameters[..., 2], (d_t + d_r) / speed_of_light)


@QUICK
@given(SCENES)
def test_monostatic_jacobian_is_that_of_its_parameters(scene):
    _, jacobian = scene.monostatic()
    distance = np.linalg.norm(scene.position - scene.receivers, axis=-1)
    wave, speed = CARRIER / speed_of_light, np.linalg.norm(scene.velocity)
    size = np.stack([0 * distance + 1 / speed_of_light, 1 / distance, wave * speed / distance],
                    axis=-1)  # fmt: skip
    dense = oracle.derivatives(lambda state: scene.monostatic(state)[0], scene.state, 1e-3)
    assert_close(jacobian[..., :2], dense[..., :2], size[..., None], 1e-6)
    size[..., 2] = wave
    assert_close(jacobian[..., 2:], dense[..., 2:], size[..., None], 1e-6)


@QUICK
@given(SCENES)
def test_toa_aoa_jacobian_is_that_of_its_parameters(scene):
    _, jacobian = scene.toa_aoa()

    def unwrapped(position):  # the bearing jumps by a full turn behind an access point
        parameters = geometry.toa_aoa(position, scene.receivers)[0]
        start = geometry.toa_aoa(scene.position, scene.receivers)[0]
        parameters[..., 1] -= 2 * np.pi * np.round((parameters - start)[..., 1] / (2 * np.pi))
        return parameters

    np.testing.assert_allclose(
        np.linalg.norm(jacobian - oracle.derivatives(unwrapped, scene.position, 1e-3), axis=-1)
        / np.linalg.norm(jacobian, axis=-1),
        0,
        atol=1e-6,
    )


@QUICK
@given(SCENES)
def test_doppler_shift_is_minus_the_rate_of_the_delay_times_the_carrier(scene):
    parameters, jacobian = scene.bistatic()
    rate = jacobian[..., 2, :2] @ scene.velocity
    np.testing.assert_allclose(parameters[..., 3], -CARRIER * rate, rtol=1e-9, atol=1e-9)
    parameters, jacobian = scene.monostatic()
    rate = jacobian[..., 0, :2] @ scene.velocity
    np.testing.assert_allclose(parameters[..., 2], -CARRIER * rate, rtol=1e-9, atol=1e-9)


def test_noisy_delay_and_bearing_scatter_the_position_as_the_jacobian_says():
    """The exact inverse (polar to Cartesian) of noisy measurements, against J^{-1} S J^{-T}."""
    rng, n = np.random.default_rng(13), 100_000
    ap, position = np.array([20.0, -10.0]), np.array([-40.0, 35.0])
    truth, jacobian = geometry.toa_aoa(position, ap)
    spread = np.array([1e-10, 4e-4])  # 3 cm in both directions, small against 75 m
    delay, bearing = (truth + spread * rng.normal(size=(n, 2))).T
    found = ap + speed_of_light * delay[:, None] * turned(bearing)
    scatter = np.cov(found.T)
    inverse = np.linalg.inv(jacobian)
    predicted = inverse @ np.diag(spread**2) @ inverse.T
    root = np.linalg.inv(np.linalg.cholesky(predicted))
    # Entries of a sample covariance of white noise have standard deviations up to sqrt(2 / n).
    assert np.abs(root @ scatter @ root.T - np.eye(2)).max() < 5 * np.sqrt(2 / n)


@pytest.mark.parametrize("dimension", [2, 3])
def test_bending_is_the_derivative_of_turning(dimension):
    rng = np.random.default_rng(dimension)
    anchors, vectors = rng.uniform(-50, 50, (2, 5, dimension))
    point = rng.uniform(60, 90, dimension)

    def turning(here):
        return geometry.sight(here, anchors).turning(vectors)

    bent = geometry.sight(point, anchors).bending(vectors)
    found = oracle.derivatives(turning, point, 0.1)
    np.testing.assert_allclose(bent, found, rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(bent, np.swapaxes(bent, -1, -2))


# -------------------------------------------------------------------------------- invariances


@QUICK
@given(SCENES, st.floats(-500, 500), st.floats(-500, 500))
def test_moving_everything_changes_nothing(scene, right, up):
    shift = np.array([right, up])
    moved = scene.bistatic(
        position=scene.position + shift,
        transmitters=scene.transmitters + shift,
        receivers=scene.receivers + shift,
    )
    for old, new in zip(scene.bistatic(), moved, strict=True):
        assert_close(new, old, np.abs(old).max(axis=(0, *range(2, old.ndim)), keepdims=True))


@QUICK
@given(SCENES, st.floats(-np.pi, np.pi))
def test_turning_everything_turns_the_gradients(scene, angle):
    turn = rotation(angle)
    state_turn = np.kron(np.eye(2), turn)
    for old, new in (
        (
            scene.bistatic(),
            scene.bistatic(
                state_turn @ scene.state,
                transmitters=scene.transmitters @ turn.T,
                receivers=scene.receivers @ turn.T,
                transmit_axes=scene.transmit_axes @ turn.T,
                receive_axes=scene.receive_axes @ turn.T,
            ),
        ),
        (
            scene.monostatic(),
            scene.monostatic(
                state_turn @ scene.state,
                aps=scene.receivers @ turn.T,
                axes=scene.receive_axes @ turn.T,
            ),
        ),
    ):
        assert_close(new[0], old[0], np.abs(old[0]).max(axis=0))
        scale = np.abs(old[1]).max(axis=(0, 2), keepdims=True)
        assert_close(new[1] @ state_turn, old[1], scale)


@QUICK
@given(SCENES, st.floats(-np.pi, np.pi))
def test_turning_everything_adds_the_turn_to_the_bearing(scene, angle):
    turn = rotation(angle)
    old = scene.toa_aoa()
    new = geometry.toa_aoa(turn @ scene.position, scene.receivers @ turn.T)
    np.testing.assert_allclose(new[0][..., 0], old[0][..., 0], rtol=1e-12)
    left = np.exp(1j * (new[0] - old[0])[..., 1] - 1j * angle)
    np.testing.assert_allclose(left, 1, atol=1e-9)
    np.testing.assert_allclose(
        (new[1] @ turn) / np.linalg.norm(old[1], axis=-1, keepdims=True),
        old[1] / np.linalg.norm(old[1], axis=-1, keepdims=True),
        atol=1e-9,
    )


@QUICK
@given(SCENES)
def test_relabelling_access_points_permutes_the_result_and_swapping_ends_the_angles(scene):
    order = scene.rng.permutation(4)
    old = scene.bistatic()
    new = scene.bistatic(
        transmitters=scene.transmitters[order],
        receivers=scene.receivers[order],
        transmit_axes=scene.transmit_axes[order],
        receive_axes=scene.receive_axes[order],
    )
    back = scene.bistatic(
        transmitters=scene.receivers,
        receivers=scene.transmitters,
        transmit_axes=scene.receive_axes,
        receive_axes=scene.transmit_axes,
    )
    for before, permuted, swapped in zip(old, new, back, strict=True):
        np.testing.assert_array_equal(permuted, before[order])
        np.testing.assert_allclose(swapped, before[:, [1, 0, 2, 3]], rtol=1e-12, atol=1e-15)


@QUICK
@given(SCENES, st.floats(0.1, 10))
def test_other_units_of_length_scale_delay_and_doppler_and_no_angle(scene, unit):
    old = scene.bistatic()
    new = scene.bistatic(
        unit * scene.state,
        transmitters=unit * scene.transmitters,
        receivers=unit * scene.receivers,
    )
    factor = np.array([1, 1, unit, unit])
    assert_close(new[0] / factor, old[0], np.abs(old[0]).max(axis=0))
    scale = np.abs(old[1]).max(axis=(0, 2), keepdims=True)
    assert_close(new[1] * (unit / factor)[:, None], old[1], scale)


@QUICK
@given(SCENES)
def test_transmitter_and_receiver_in_one_place_are_the_monostatic_case(scene):
    mono, mono_jacobian = scene.monostatic()
    both, both_jacobian = scene.bistatic(
        transmitters=scene.receivers, transmit_axes=scene.receive_axes
    )
    scale = np.array([1, np.pi, 1])
    for use in ([2, 0, 3], [2, 1, 3]):
        np.testing.assert_allclose(both[:, use], scale * mono, rtol=1e-12)
        np.testing.assert_allclose(
            both_jacobian[:, use], scale[:, None] * mono_jacobian, rtol=1e-9, atol=1e-20
        )


@QUICK
@given(SCENES, st.floats(0.1, 2), st.floats(1e8, 1e11))
def test_spacing_and_carrier_only_scale_their_own_rows(scene, spacing, carrier):
    for old, new in zip(
        scene.bistatic(), scene.bistatic(spacing=spacing, carrier_frequency=carrier), strict=True
    ):
        factor = np.array([2 * spacing, 2 * spacing, 1, carrier / CARRIER])
        factor = factor.reshape(4, *[1] * (old.ndim - 2))
        np.testing.assert_allclose(new, factor * old, rtol=1e-12)


# --------------------------------------------------------------------------------- limits


def test_angle_gradient_vanishes_at_endfire_and_is_largest_at_broadside():
    """fan_journal Fig. 2 and 5: the angle of arrival is measured from the axis of the array."""
    aoa = np.radians([0.0, 30.0, 90.0, 150.0, 180.0])
    target = 40 * turned(aoa)
    _, jacobian = geometry.bistatic(target, [0, 0], [-80, 10], [0, 0], [1, 0], [1, 0], CARRIER)
    steepness = np.linalg.norm(jacobian[:, 0, :2], axis=-1)
    np.testing.assert_allclose(steepness, np.pi * np.abs(np.sin(aoa)) / 40, atol=1e-16)
    assert steepness[0] == 0
    assert np.argmax(steepness) == 2
    # The gradient of the angle is across the line of sight, wherever the array points.
    np.testing.assert_allclose(np.sum(jacobian[:, 0, :2] * target, axis=-1), 0, atol=1e-15)


def test_on_the_baseline_delay_gradient_and_doppler_shift_vanish():
    share = np.linspace(0.1, 0.9, 9)[:, None]
    ends = np.array([-30.0, 12.0]), np.array([50.0, 51.0])
    target = share * ends[0] + (1 - share) * ends[1]
    parameters, jacobian = geometry.bistatic(target, [20, -7], *ends, [1, 0], [0, 1], CARRIER)
    np.testing.assert_allclose(parameters[:, 2], np.hypot(80, 39) / speed_of_light)
    np.testing.assert_allclose(speed_of_light * jacobian[:, 2], 0, atol=1e-14)
    np.testing.assert_allclose(parameters[:, 3], 0, atol=1e-11)
    np.testing.assert_allclose(jacobian[:, 3, 2:], 0, atol=1e-12)
    # Delay and both bearings leave the line open: the position is not identifiable.
    efim = fisher.change_parameters(np.diag([1, 1, 1e22, 0]), jacobian[..., :2])
    assert np.all(fisher.position_error_bound(efim) == np.inf)
    # The shift itself is zero, but it changes as soon as the target leaves the line.
    assert np.all(np.linalg.norm(jacobian[:, 3, :2], axis=-1) > 1)


def test_the_doppler_gradient_of_a_reflected_path_vanishes_on_one_line_only():
    """Radial for both legs at once: on the line through the access points, moving along it."""
    ends, axis = ([-30, 0], [50, 0]), [1, 0]
    on_line = np.array([[-90.0, 0], [10, 0], [80, 0]])
    _, jacobian = geometry.bistatic(on_line, [25, 0], *ends, axis, axis, CARRIER)
    np.testing.assert_allclose(jacobian[:, 3, :2], 0, atol=1e-12)
    headings = turned(np.linspace(0, np.pi, 181))
    _, jacobian = geometry.bistatic([20, 35], 25 * headings, *ends, axis, axis, CARRIER)
    assert np.linalg.norm(jacobian[:, 3, :2], axis=-1).min() > 1


def test_beyond_the_ends_of_the_baseline_one_metre_is_two_metres_of_path():
    _, jacobian = geometry.bistatic([90, 0], [0, 0], [-20, 0], [40, 0], [0, 1], [0, 1], CARRIER)
    np.testing.assert_allclose(speed_of_light * jacobian[2, :2], [2, 0])


@QUICK
@given(SCENES)
def test_delay_gradient_is_twice_the_cosine_of_half_the_bistatic_angle(scene):
    _, jacobian = scene.bistatic()
    legs = [ends - scene.position for ends in (scene.transmitters, scene.receivers)]
    cosine = np.sum(legs[0] * legs[1], axis=-1) / np.prod(np.linalg.norm(legs, axis=-1), axis=0)
    np.testing.assert_allclose(
        speed_of_light * np.linalg.norm(jacobian[:, 2, :2], axis=-1),
        2 * np.cos(np.arccos(np.clip(cosine, -1, 1)) / 2),
        atol=1e-7,
    )


def test_collinear_access_points_range_in_one_direction_only():
    """All on one line with the user: delays know that line, bearings only what is across it."""
    aps = np.array([[-60.0, 0], [-20, 0], [70, 0]])
    _, jacobian = geometry.toa_aoa([10.0, 0.0], aps)
    assert np.all(jacobian[:, 0, 1] == 0)
    assert np.all(jacobian[:, 1, 0] == 0)
    assert np.linalg.matrix_rank(jacobian[:, 0]) == 1
    both = jacobian.reshape(-1, 2) / np.linalg.norm(jacobian, axis=-1).reshape(-1, 1)
    assert np.linalg.matrix_rank(both) == 2


def test_a_radial_velocity_makes_the_doppler_shift_blind_for_the_position():
    _, jacobian = geometry.monostatic([30, 40], [6, 8], [0, 0], CARRIER)
    np.testing.assert_allclose(jacobian[2, :2], 0, atol=1e-15)
    parameters, jacobian = geometry.monostatic([30, 40], [-8, 6], [0, 0], CARRIER)
    assert parameters[2] == pytest.approx(0, abs=1e-12)
    steepest = 2 * CARRIER / speed_of_light * 10 / 50
    assert np.linalg.norm(jacobian[2, :2]) == pytest.approx(steepest)


@pytest.mark.parametrize("n_paths", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("reflected", [False, True])
def test_two_doppler_shifts_pay_for_an_unknown_velocity(n_paths, reflected):
    """Echoes, or paths from one transmitter to many receivers; general position."""
    aps = np.random.default_rng(4).uniform(-100, 100, (6, 2))[:n_paths]
    at, velocity = [10, 20], [9, -17]
    if reflected:
        axis = [1, 0]
        _, jacobian = geometry.bistatic(at, velocity, [-80, 30], aps, axis, axis, CARRIER)
    else:
        _, jacobian = geometry.monostatic(at, velocity, aps, CARRIER)
    by_position, by_velocity = jacobian[:, -1, :2], jacobian[:, -1, 2:]
    left = by_position - by_velocity @ np.linalg.pinv(by_velocity) @ by_position
    scale = np.abs(by_position).max()
    assert np.linalg.matrix_rank(left, tol=1e-9 * scale) == min(2, max(0, n_paths - 2))
    assert np.linalg.matrix_rank(by_position) == min(2, n_paths)  # with a known velocity


def test_bearings_are_counted_from_the_x_axis_counter_clockwise():
    around = np.array([[5.0, 0], [0, 5], [-5, 0], [0, -5]])
    parameters, _ = geometry.toa_aoa([2, 3] + around, [2, 3])
    np.testing.assert_allclose(parameters[:, 1], [0, np.pi / 2, np.pi, -np.pi / 2], atol=1e-15)


def test_broadside_of_the_default_array_is_the_x_axis():
    """liu (58): y - y_l = tan(theta) (x - x_l)."""
    (_, sine, _), _ = geometry.monostatic([7, 7], [0, 0], [0, 0], CARRIER)
    assert sine == pytest.approx(np.sin(np.pi / 4))


# -------------------------------------------------------------------------- arrays and checks


def test_line_of_sight_of_one_point():
    distance, unit, across = geometry.line_of_sight([4, 6], [1, 2])
    assert distance == 5
    np.testing.assert_allclose(unit, [0.6, 0.8])
    np.testing.assert_allclose(across, [-0.8, 0.6])


def test_broadcasting_equals_a_loop():
    scene, rng = Scene(np.random.default_rng(2)), np.random.default_rng(3)
    states = scene.state + rng.uniform(-1, 1, (3, 5, 4))
    for function in (scene.bistatic, scene.monostatic, scene.toa_aoa):
        parameters, jacobian = function(states)
        assert parameters.shape[:3] == (3, 5, 4)
        assert jacobian.shape[:4] == (*parameters.shape[:3], parameters.shape[-1])
        one = function(states[2, 4])
        np.testing.assert_allclose(parameters[2, 4], one[0], rtol=1e-14)
        np.testing.assert_allclose(jacobian[2, 4], one[1], rtol=1e-14, atol=1e-300)


def test_any_argument_may_carry_the_leading_axes():
    many, one = np.linspace(1e9, 2e9, 7), np.array([30.0, 40.0])
    parameters, jacobian = geometry.monostatic(one, [1, 2], [0, 0], many)
    assert parameters.shape == (7, 3)
    assert jacobian.shape == (7, 3, 4)
    np.testing.assert_allclose(parameters[:, 2], parameters[0, 2] * many / many[0])
    spaced, _ = geometry.bistatic(
        one, [1, 2], [0, 0], [9, 0], [1, 0], [1, 0], 1e9, spacing=np.array([[0.5], [1.0]])
    )
    assert spaced.shape == (2, 1, 4)
    distance, unit, across = geometry.line_of_sight(np.ones((3, 1, 2)), np.zeros((4, 2)))
    assert distance.shape == (3, 4)
    assert unit.shape == across.shape == (3, 4, 2)


def test_empty_batches_are_empty():
    parameters, jacobian = geometry.toa_aoa(np.zeros((0, 2)), [1.0, 2.0])
    assert parameters.shape == (0, 2)
    assert jacobian.shape == (0, 2, 2)


def test_inputs_are_left_as_they_were():
    scene = Scene(np.random.default_rng(5))
    kept = [np.copy(each) for each in (scene.state, scene.receivers, scene.receive_axes)]
    scene.bistatic(), scene.monostatic(), scene.toa_aoa()
    for before, after in zip(kept, (scene.state, scene.receivers, scene.receive_axes), strict=True):
        np.testing.assert_array_equal(before, after)


GOOD = {
    "line_of_sight": {"position": [1, 2], "anchor": [0, 0]},
    "toa_aoa": {"position": [1, 2], "aps": [[0, 0], [5, 5]]},
    "monostatic": {
        "position": [1, 2], "velocity": [3, 4], "aps": [[0, 0], [5, 5]],
        "carrier_frequency": 1e9, "axes": [0, 1],
    },
    "bistatic": {
        "position": [1, 2], "velocity": [3, 4], "transmitters": [[0, 0], [5, 5]],
        "receivers": [9, 9], "transmit_axes": [1, 0], "receive_axes": [0, 1],
        "carrier_frequency": 1e9, "spacing": 0.5,
    },
}  # fmt: skip
ONE_FLAW = [
    (function, name, bad, name)
    for function, arguments in GOOD.items()
    for name in arguments
    for bad in (["a", "b"], [np.nan, 1.0], [True, "x"], None)
]
MORE_FLAWS = [
    ("line_of_sight", "anchor", [1, 2], "position must not coincide with anchor"),
    ("line_of_sight", "position", [1, 2, 3], r"position must have shape \(\.\.\., 2\)"),
    ("line_of_sight", "position", 1.0, "position must have shape"),
    ("line_of_sight", "position", [1e308, 0], None),
    ("toa_aoa", "aps", [[0, 0], [1, 2]], "position must not coincide with aps"),
    ("toa_aoa", "position", np.ones((3, 2)), "broadcast"),
    ("monostatic", "aps", [[0, 0], [1, 2]], "position must not coincide with aps"),
    ("monostatic", "carrier_frequency", 0.0, "carrier_frequency must be > 0"),
    ("monostatic", "carrier_frequency", [1e9, 1e9, 1e9], "carrier_frequency"),
    ("monostatic", "axes", [1, 1], "axes must be unit vectors"),
    ("monostatic", "axes", [0, 1 + 1e-7], "axes must be unit vectors, got.*1.0000001"),
    ("bistatic", "transmitters", [[1, 2], [5, 5]], "position must not coincide with transmitters"),
    ("bistatic", "receivers", [1, 2], "position must not coincide with receivers"),
    ("bistatic", "transmit_axes", [0.5, 0], "transmit_axes must be unit vectors"),
    ("bistatic", "receive_axes", [[1, 0], [0, 2]], "receive_axes must be unit vectors.*2"),
    ("bistatic", "carrier_frequency", -1e9, "carrier_frequency must be > 0"),
    ("bistatic", "spacing", 0, "spacing must be > 0"),
    ("bistatic", "velocity", np.zeros((3, 2)), r"broadcast.*velocity \(3,\)"),
]


@pytest.mark.parametrize(("function", "name", "bad", "message"), ONE_FLAW + MORE_FLAWS)
def test_bad_input_is_named(function, name, bad, message):
    good = GOOD[function]
    getattr(geometry, function)(**good)
    if message is None:  # far apart, but still a distance
        getattr(geometry, function)(**(good | {name: bad}))
        return
    with pytest.raises(ValueError, match=message):
        getattr(geometry, function)(**(good | {name: bad}))


def test_a_distance_whose_square_is_zero_is_refused():
    """Nearer than that the information of an angle, 1/d^2, would be infinite."""
    with pytest.raises(ValueError, match="position must not coincide with anchor"):
        geometry.line_of_sight([1e-200, 0], [0, 0])
    distance, unit, _ = geometry.line_of_sight([1e-150, 0], [0, 0])
    assert distance == 1e-150
    np.testing.assert_array_equal(unit, [1, 0])


def test_a_distance_beyond_every_number_is_refused():
    with pytest.raises(ValueError, match="position and anchor are too far apart"):
        geometry.line_of_sight([1.7e308, 0], [-1.7e308, 0])
