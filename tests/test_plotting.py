"""The house style and the interactive wrapper."""

import json
import re
import subprocess
import sys

import matplotlib as mpl
import plotly.graph_objects as go
import pytest

from cfisac import plotting


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
    assert 'role="img" aria-label="A line &quot;up&quot;"' in html
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
