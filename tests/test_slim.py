"""Pictures made smaller are the pictures they were."""

import base64
import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

TOOLS = Path(__file__).resolve().parents[1] / "tools"


@pytest.fixture(scope="module")
def slim():
    sys.path.insert(0, str(TOOLS))
    try:
        import slim
    finally:
        sys.path.remove(str(TOOLS))
    return slim


@pytest.fixture(scope="module")
def drawn():
    """Lines, curves, markers, letters and a closed area."""
    figure, ax = plt.subplots()
    x = np.linspace(-3, 3, 200)
    ax.plot(x, np.sin(x) + x, marker="o", markevery=20, label=r"$\alpha$ of it")
    ax.fill_between(x, -x, x**2)
    ax.legend()
    file = io.StringIO()
    figure.savefig(file, format="svg")
    plt.close(figure)
    return file.getvalue()


def points(path):
    """Where a path goes, whatever its commands are relative to."""
    at, start, found = np.zeros(2), np.zeros(2), []
    for command, text in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        numbers = [float(each) for each in re.findall(r"-?\d*\.?\d+", text)]
        steps = np.reshape(numbers, (-1, 2)) + (at if command.islower() else 0.0)
        found.extend(steps)
        at = steps[-1] if len(steps) else start
        start = at if command in "mM" else start
    return np.array(found)


def test_every_path_goes_where_it_went(slim, drawn):
    before, after = (re.findall(r' d="([^"]*)"', text) for text in (drawn, slim.compact(drawn)))
    assert len(before) == len(after) > 20
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(points(new), points(old), atol=0.00501)
        assert new.lower() == new


def test_it_is_much_shorter_and_still_xml(slim, drawn):
    made = slim.compact(drawn)
    assert len(made) < 0.75 * len(drawn)
    trees = [ElementTree.fromstring(text) for text in (drawn, made)]
    shapes = [[each.tag for each in tree.iter() if "svg}" in each.tag] for tree in trees]
    shapes[0].remove("{http://www.w3.org/2000/svg}metadata")
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("alpha", [1.0, 0.4])
def test_pixels_keep_their_colours(slim, alpha):
    figure, ax = plt.subplots()
    ax.imshow(np.random.default_rng(1).random((90, 90)), alpha=alpha)
    file = io.StringIO()
    figure.savefig(file, format="svg")
    plt.close(figure)
    pictures = [
        base64.b64decode(re.search(r'data:image/png;base64,([^"]+)', text)[1])
        for text in (file.getvalue(), slim.compact(file.getvalue()))
    ]
    assert len(pictures[1]) < 0.7 * len(pictures[0])
    before, after = (np.asarray(Image.open(io.BytesIO(each)).convert("RGBA")) for each in pictures)
    np.testing.assert_array_equal(after, before)


def test_pictures_of_others_and_compact_ones_stay_as_they_are(slim, drawn):
    by_hand = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 A 1 1 0 0 0 2 2"/></svg>'
    assert slim.compact(by_hand) == by_hand
    once = slim.compact(drawn)
    assert slim.compact(once) == once


@pytest.mark.parametrize(
    ("path", "shorter"),
    [
        ("M 0 0 \nL 512.39952 0 \nL 512.39952 267.6 \nz\n", "m0 0l512.4 0l0 267.6z"),
        ("M 10 10 L 0.004 9.996 z L 10.5 9.25", "m10 10l-10 0zl.5-.75"),
        ("M -0.001 1 Q 2 3 4 5 C 1 1 2 2 3 3", "m0 1q2 2 4 4c-3-4-2-3-1-2"),
    ],
)
def test_a_path_in_few_letters(slim, path, shorter):
    assert slim._path(path) == shorter


@pytest.mark.parametrize("path", ["M 0 0 A 1 1 0 0 0 2 2", "M 0 0 L 1 1 2 2", "M 0 0 l 1 1"])
def test_a_command_that_is_not_known_is_not_guessed(slim, path):
    with pytest.raises(ValueError, match="a path with the command"):
        slim._path(path)
