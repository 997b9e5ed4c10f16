"""What benchmarks compare with runs, and gives the same numbers: they are run by hand only."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from cfisac import fisher
from cfisac.limits import multistatic
from cfisac.scenarios import equal_power, fan_scene

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def load(name, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_every_benchmark_is_found_by_its_imports(name, monkeypatch):
    if re.search(r"^import jax", (FOLDER / f"{name}.py").read_text("utf-8"), re.M):
        pytest.importorskip("jax")
    load(name, monkeypatch)


def test_the_frozen_forms_agree_with_those_of_today(monkeypatch):
    before = load("before", monkeypatch)
    slopes = np.random.default_rng(1).normal(size=(20, 8, 4))
    fim = np.swapaxes(slopes, -1, -2) @ slopes
    np.testing.assert_allclose(before.equivalent_fim(fim, 2), fisher.equivalent_fim(fim, 2))
    np.testing.assert_allclose(
        before.position_error_bound(fim), fisher.position_error_bound(fim), rtol=1e-9
    )
    scene = fan_scene(np.random.default_rng(1), n_aps=6, n_targets=1, n_users=0)
    power, points = equal_power(scene), np.array([[20.0, 30.0], [100.0, 50.0]])
    np.testing.assert_allclose(
        before.position_map(scene, power, points), multistatic.position_map(scene, power, points),
        rtol=1e-9, atol=0,
    )  # fmt: skip
