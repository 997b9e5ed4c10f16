"""The dictionary of names in CONTRIBUTING.md, and the signatures that it speaks of."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import cfisac
from cfisac.limits import cooperative, multistatic
from cfisac.scenarios import fan_scene
from cfisac.waveforms import OFDM

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text("utf-8")
SECTION = TEXT.split("## The dictionary of names")[1].split("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("| `")
]
DICTIONARY = {name: row[1:] for row in ROWS for name in re.findall(r"`(\w+)`", row[0])}
PLAIN = set(re.findall(r"`(\w+)`", SECTION.split("in plain words:")[1].split("\n\n")[0]))
# Rooms whose functions compute with quantities; the others may use plain words.
QUANTITIES = (
    "arrays", "waveforms", "geometry", "propagation", "scenarios", "signals", "fisher", "paths",
    "tables", "limits", "estimators", "designs",
)  # fmt: skip


def public(module):
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    for name in names:
        value = getattr(module, name)
        if inspect.isfunction(inspect.unwrap(value)) or inspect.isclass(value):
            yield f"{module.__name__}.{name}", value
        if inspect.isclass(value):
            for inner, method in vars(value).items():
                if inspect.isfunction(method) and not inner.startswith("_"):
                    yield f"{module.__name__}.{name}.{inner}", method


def functions():
    for info in pkgutil.walk_packages(cfisac.__path__, "cfisac."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            yield from public(importlib.import_module(info.name))


FUNCTIONS = dict(functions())


def parameters(function):
    try:
        return set(inspect.signature(function).parameters) - {"self", "args", "kwargs"}
    except (TypeError, ValueError):  # a class without one
        return set()


def room(name):
    return name.split(".")[1]


def test_every_parameter_is_in_the_dictionary():
    missing = {
        f"{name}({parameter})"
        for name, function in FUNCTIONS.items()
        for parameter in parameters(function)
        if parameter not in DICTIONARY and (room(name) in QUANTITIES or parameter not in PLAIN)
    }
    assert missing == set()


def test_the_dictionary_speaks_of_nothing_else():
    used = set().union(*map(parameters, FUNCTIONS.values()))
    assert used >= DICTIONARY.keys()
    assert used >= PLAIN
    assert not PLAIN & DICTIONARY.keys()


def test_each_name_has_one_row_that_says_what_it_means():
    names = [name for row in ROWS for name in re.findall(r"`(\w+)`", row[0])]
    assert len(names) == len(set(names))
    for row in ROWS:
        assert len(row) == 4, row
        assert row[1] or row[2] or row[3], row


def test_the_position_error_bound_has_one_name():
    other = {
        name
        for name in FUNCTIONS
        if room(name) in QUANTITIES and re.search(r"\.(peb\w*|position_bound|\w+_peb)$", name)
    }
    assert other == {name for name in FUNCTIONS if is_old(name)} - {
        "cfisac.limits.cooperative.velocity_bound"
    }


def is_old(name):
    return (inspect.getdoc(FUNCTIONS[name]) or "").startswith("Old name of")


def test_old_names_warn_and_give_the_same():
    efim = np.diag([4.0, 4.0, 1.0, 1.0])
    for before, now in (
        (cooperative.position_bound, cooperative.position_error_bound),
        (cooperative.velocity_bound, cooperative.velocity_error_bound),
    ):
        with pytest.warns(DeprecationWarning, match=f"is now called {now.__name__}"):
            assert before(efim) == now(efim)
    scene = fan_scene(np.random.default_rng(0), 6, 1, 1)
    with pytest.warns(DeprecationWarning, match="peb is now called position_error_bound"):
        np.testing.assert_array_equal(
            multistatic.peb(scene, 1.0), multistatic.position_error_bound(scene, 1.0)
        )
    frame, places = OFDM(4, 4, 1e6), ([0.0, 0.0], [1.0, 2.0], [[30.0, 0.0], [0.0, 30.0]], 4)
    with pytest.warns(DeprecationWarning, match="snr is now called sample_snr"):
        old = cooperative.state_efim(*places, snr=1.0, waveform=frame, carrier_frequency=1e9)
    np.testing.assert_array_equal(
        old, cooperative.state_efim(*places, 1.0, frame, carrier_frequency=1e9)
    )


def described(function, parameter):
    """What a docstring says of a parameter."""
    found = re.search(rf"^{parameter} : .*?(?=^\S|\Z)", inspect.getdoc(function) or "", re.M | re.S)
    return found[0] if found else ""


def test_snr_counts_all_samples_and_sample_snr_one():
    one = re.compile(r"per (sample|antenna)|of one sample")
    per_sample = {n for n, f in FUNCTIONS.items() if one.search(described(f, "snr"))}
    assert per_sample == set()
    assert all(
        one.search(described(f, "sample_snr"))
        for f in FUNCTIONS.values()
        if described(f, "sample_snr")
    )
    assert described(cooperative.state_efim, "sample_snr")


@pytest.mark.parametrize(
    ("parameter", "unit"),
    [("phi", r"\brad"), ("bandwidth", r"\bHz"), ("carrier_frequency", r"\bHz"),
     ("subcarrier_spacing", r"\bHz"), ("wavelength", r"\(m\)"), ("temperature", r"\(K\)")],
)  # fmt: skip
def test_docstrings_give_the_unit_of_the_dictionary(parameter, unit):
    told = {n: described(f, parameter) for n, f in FUNCTIONS.items() if room(n) in QUANTITIES}
    wrong = {name: text for name, text in told.items() if text and not re.search(unit, text)}
    wrong = {
        n: t for n, t in wrong.items() if "as in" not in t.lower() and "as for" not in t.lower()
    }
    assert wrong == {}
    assert any(told.values())
