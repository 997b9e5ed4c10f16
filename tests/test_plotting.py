"""The house style and the interactive wrapper."""

import base64
import json
import re
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import pytest

from cfisac import plotting, scenarios


def interactive(**changes):
    figure = go.Figure(
        go.Scatter(x=[0, 1], y=[1, 2]), frames=[go.Frame(data=[go.Scatter(x=[0], y=[3])])]
    )
    given = {"name": "ladder", "summary": "rises by 1 & more", "alt": 'A line "up"', **changes}
    return plotting.Interactive(figure, **given)


def contrast_with_white(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (luminance + 0.05)


def test_style_sets_the_cycle_and_a_white_ground():
    with mpl.rc_context():
        plotting.style()
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(plotting.COLOURS)
        assert mpl.rcParams["figure.facecolor"] == "white"


def test_the_first_colours_stand_out_from_white():
    """WCAG asks graphics for a contrast of 3."""
    assert min(map(contrast_with_white, plotting.COLOURS[:3])) > 3


def test_importing_plotting_does_not_need_plotly():
    code = "import sys; sys.modules['plotly'] = None; import cfisac.plotting"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_html_is_labelled_and_self_contained():
    html = interactive().to_html()
    assert 'role="group" aria-label="A line &quot;up&quot;"' in html
    assert "<figcaption>rises by 1 &amp; more</figcaption>" in html
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", html)
    data = re.search(r'<script type="application/json" id="ladder-figure">(.*?)</script>', html)
    figure = json.loads(data[1])
    assert figure["data"][0]["type"] == "scatter"
    assert len(figure["frames"]) == 1


def test_text_in_the_figure_cannot_close_the_script():
    figure = go.Figure(layout={"title": {"text": "</script><b>"}})
    html = plotting.Interactive(figure, "x", "s", "a").to_html()
    assert html.count("</script>") == 2


def test_the_bundle_is_the_same_every_time_and_carries_the_text():
    first, again = (interactive()._repr_mimebundle_(include=None) for _ in range(2))
    assert first == again
    assert first["text/plain"] == "rises by 1 & more"


def test_the_figure_given_is_not_changed():
    figure = go.Figure(layout={"width": 700})
    wrapped = plotting.Interactive(figure, "x", "s", "a")
    assert figure.layout.width == 700
    assert wrapped.figure.layout.width is None


def two_sliders(frames):
    figure = go.Figure(go.Scatter(y=[1]), frames=[go.Frame(name=name) for name in frames])
    figure.update_layout(sliders=plotting.sliders({"a ": ["1", "2"], "b ": ["x", "y"]}, [0, 1]))
    return plotting.Interactive(figure, "two", "s", "a")


def test_two_sliders_need_a_frame_for_each_pair():
    first, second = two_sliders(["1|x", "1|y", "2|x", "2|y"]).figure.layout.sliders
    assert [step.args[0] for step in first.steps] == [("1|y",), ("2|y",)]
    assert [step.args[0] for step in second.steps] == [("1|x",), ("1|y",)]
    assert (first.active, second.active) == (0, 1)
    with pytest.raises(ValueError, match=r"figure must have a frame .* '2\|x'"):
        two_sliders(["1|x", "1|y", "2|y"])


@pytest.mark.parametrize(
    ("choices", "active", "name"),
    [({}, None, "choices"), ({"a": []}, None, "choices"), ({"a": ["1"]}, [1], "active")],
)
def test_sliders_that_lead_nowhere_are_refused(choices, active, name):
    with pytest.raises(ValueError, match=f"^{name} must"):
        plotting.sliders(choices, active)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("name", ""), ("name", "two words"), ("name", "1st"), ("summary", " "), ("alt", "")],
)
def test_bad_input_is_refused_by_name(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must"):
        interactive(**{argument: value})


# ------------------------------------------------------------------------------------- maps


@pytest.fixture
def axes():
    """A figure that no screen shows, and that is closed again."""
    before = mpl.get_backend()
    plt.switch_backend("agg")
    yield plt.subplots()[1]
    plt.close("all")
    plt.switch_backend(before)


def hill(n_x=6, n_y=4):
    x, y = np.linspace(0, 50, n_x), np.linspace(10, 40, n_y)
    return x, y, np.hypot(*np.meshgrid(x - 20, y - 20)) + 0.1


def test_a_map_from_axes_or_points_is_the_same(axes):
    x, y, values = hill()
    points = np.stack(np.meshgrid(x, y), axis=-1)
    high = np.concatenate([points, np.ones((4, 6, 1))], axis=-1)
    drawn = [plotting.map(each, values, ax=axes)[0].collections[-1] for each in
             ((x, y), points, high)]  # fmt: skip
    for mesh in drawn[1:]:
        np.testing.assert_array_equal(mesh.get_coordinates(), drawn[0].get_coordinates())
    np.testing.assert_array_equal(drawn[0].get_array().reshape(4, 6), values)


def test_small_is_light_and_undefined_is_grey(axes):
    x, y, values = hill()
    values[0, 0], values[1, 1] = np.nan, np.inf
    ax, bar = plotting.map((x, y), values, ax=axes)
    mesh = ax.collections[-1]
    shown = mesh.to_rgba(mesh.get_array()).reshape(4, 6, 4)
    assert shown[0, 0, 3] == shown[1, 1, 3] == 0  # the ground shows
    assert mpl.colors.to_hex(ax.get_facecolor()) == "#cccccc"
    light = shown[..., :3] @ [0.2126, 0.7152, 0.0722]
    finite = np.isfinite(values)
    assert light[finite][np.argmin(values[finite])] > light[finite][np.argmax(values[finite])] + 0.3
    assert bar.ax.get_ylabel() == "PEB (m)"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (m)", "y (m)")
    assert isinstance(mesh.norm, mpl.colors.LogNorm)
    low, high = np.quantile(values[finite], [0.01, 0.99])
    assert (mesh.norm.vmin, mesh.norm.vmax) == pytest.approx((low, high))
    assert bar.extend == "both"


def test_limits_and_a_linear_scale(axes):
    x, y, values = hill()
    _, bar = plotting.map(
        (x, y), values - 5, ax=axes, log=False, limits=(-10.0, 100.0), label="a (dB)"
    )
    assert (bar.vmin, bar.vmax, bar.extend) == (-10, 100, "neither")
    assert bar.ax.get_ylabel() == "a (dB)"
    _, bar = plotting.map((x, y), np.full((4, 6), 2.0))
    assert bar.vmin < 2 < bar.vmax


def test_a_logarithmic_bar_is_labelled_as_one_writes_numbers(axes):
    x, y, values = hill()
    _, bar = plotting.map((x, y), values, ax=axes, limits=(1.0, 100.0))
    texts = [each.get_text() for each in bar.ax.get_yticklabels()]
    assert texts == ["1", "3.2", "10", "32", "100"]


@pytest.mark.parametrize("make", [scenarios.fan_scene, scenarios.liu_scene])
def test_the_scene_is_drawn_on_the_map(axes, make):
    scene = make(np.random.default_rng(1))
    x, y, values = hill()
    ax, _ = plotting.map((x, y), values, scene, ax=axes)
    drawn = [line.get_xydata() for line in ax.lines]
    np.testing.assert_array_equal(drawn[0], scene.aps)
    np.testing.assert_array_equal(drawn[-1], scene.targets)
    if hasattr(scene, "receivers"):
        np.testing.assert_array_equal(drawn[1], scene.receivers)
        assert ax.lines[1].get_markerfacecolor() != ax.lines[0].get_markerfacecolor()


def test_a_map_refuses(axes):
    x, y, values = hill()
    points = np.stack(np.meshgrid(x, y), axis=-1)
    for grid, given, options, name in (
        ((y, x), values, {}, "values"), (points.swapaxes(0, 1), values, {}, "points_or_axes"),
        (points + np.random.default_rng(1).normal(size=points.shape), values, {}, "grid"),
        ((x, [y]), values, {}, "points_or_axes"), (points[0], values, {}, "points_or_axes"),
        ((x, y), values * np.nan, {}, "finite"), ((x, y), -values, {}, "above 0"),
        ((x, y), values, {"limits": (2.0, 1.0)}, "limits"),
        ((x, y), values, {"limits": (0.0, 1.0)}, "limits"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            plotting.map(grid, given, ax=axes, **options)


def test_arrays_are_drawn_to_seven_digits_in_half_of_the_room():
    values = np.random.default_rng(1).normal(size=(20, 30))
    shown = plotting.Interactive(go.Figure(go.Heatmap(z=values)), "map", "s", "a")
    z = shown._repr_mimebundle_()["application/vnd.plotly.v1+json"]["data"][0]["z"]
    assert (z["dtype"], z["shape"]) == ("f4", "20, 30")
    drawn = np.frombuffer(base64.b64decode(z["bdata"]), "<f4").reshape(20, 30)
    np.testing.assert_allclose(drawn, values, rtol=1e-7)
    assert z["bdata"] in shown.to_html()
