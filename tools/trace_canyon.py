"""Trace the street canyon of the book and of the tests with the real ray tracers (not in CI).

    pip install sionna-rt==2.2.0 deepmimo==4.0.5     # and LLVM, for Dr.Jit: 19 is tried, 16 fails
    DRJIT_LIBLLVM_PATH=.../libLLVM.so.19.1 python tools/trace_canyon.py

writes what the tracers gave, as they gave it, to tests/data/sionna_canyon.npz and
tests/data/deepmimo_canyon.npz (the adapters' tests), and the table of the chapter
limits/your_own_scene to book/results/street-canyon.npz. Ray tracers differ by version, processor
and run in the order of paths and in the last digits, so the files are kept, not made anew.
"""

import importlib.metadata
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CARRIER = 28e9
APS = np.array([[-40.0, 8.5, 8.0], [-10.0, -7.5, 6.0], [26.0, 8.5, 10.0], [52.0, -7.5, 7.0]])
STREET = np.array([[x, 2.0, 1.5] for x in np.arange(-60.0, 61.0, 3.0)])
PAIR = np.array([[4.0, 2.0, 1.5], [4.3, 2.2, 1.6]])  # two places whose paths can be paired
NAMES = (
    "valid", "tau", "theta_t", "phi_t", "theta_r", "phi_r", "doppler", "vertices", "interactions",
    "objects", "primitives", "sources", "targets", "synthetic_array",
)  # fmt: skip


def scene_of(users, velocity=(0.0, 0.0, 0.0), rows=1):
    """Access points that transmit, users that receive."""
    from sionna import rt

    scene = rt.load_scene(rt.scene.simple_street_canyon, merge_shapes=False)
    scene.frequency = CARRIER
    one = {"vertical_spacing": 0.5, "horizontal_spacing": 0.5, "polarization": "V"}
    scene.tx_array = rt.PlanarArray(num_rows=rows, num_cols=rows, pattern="iso", **one)
    scene.rx_array = rt.PlanarArray(num_rows=1, num_cols=1, pattern="iso", **one)
    for number, place in enumerate(APS):
        scene.add(rt.Transmitter(f"ap{number}", position=place.tolist()))
    for number, place in enumerate(users):
        scene.add(rt.Receiver(f"u{number}", position=place.tolist(), velocity=list(velocity)))
    return scene


def traced(scene, **options):
    """Paths by way of at most two interactions."""
    from sionna import rt

    solver = rt.PathSolver(deterministic=True)
    return solver(scene, max_depth=2, **({"refraction": False, "synthetic_array": False} | options))


def kept(paths, prefix):
    """What the object holds, as arrays."""
    found = {f"{prefix}.{name}": np.asarray(getattr(paths, name)) for name in NAMES}
    return found | {f"{prefix}.a": np.stack([np.asarray(part) for part in paths.a])}


def echoes():
    """A target of 10 m^2 seen by the four access points, one of which sends."""
    from sionna import rt

    scene = rt.load_scene(rt.scene.simple_street_canyon, merge_shapes=False)
    scene.frequency = CARRIER
    scene.tx_array = scene.rx_array = rt.PlanarArray(
        num_rows=1, num_cols=1, pattern="iso", polarization="V"
    )
    scene.add(rt.Transmitter("ap0", position=APS[0].tolist()))
    for number, place in enumerate(APS[1:], 1):
        scene.add(rt.Receiver(f"ap{number}", position=place.tolist()))
    target = rt.rcs.ConstantRCSSensingTarget(
        "car", sigma=10.0, length=2.0, width=1.0, height=1.0, position=[5.0, 1.0, 1.0],
        velocity=[10.0, 0.0, 0.0],
    )  # fmt: skip
    scene.add(target)
    return rt.rcs.RCSSolver()(scene, max_depth=1, synthetic_array=False, seed=1)


def deepmimo(scene, paths):
    """The same paths through DeepMIMO's exporter, converter and loader."""
    import deepmimo as dm
    from deepmimo.exporters.sionna_exporter import sionna_exporter

    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            options = {"max_depth": 2, "refraction": False, "synthetic_array": False}
            sionna_exporter(scene, paths, options, "exported/")
            name = dm.convert("exported", overwrite=True, scenario_name="canyon")
            dataset = dm.load(name or "canyon")
        finally:
            os.chdir(here)
    return dataset


def main():
    """Trace, and write the three files."""
    from cfisac.paths import from_sionna

    versions = {
        f"version.{name}": importlib.metadata.version(name)
        for name in ("sionna-rt", "mitsuba", "drjit", "DeepMIMO")
    }
    street = traced(scene_of(STREET, (10.0, 0.0, 0.0)))
    table = from_sionna(street, CARRIER)
    table.save(ROOT / "book" / "results" / "street-canyon.npz")
    print(f"{len(table)} paths of {len(STREET)} users")

    stored = dict(versions)
    pair = scene_of(PAIR, (10.0, 0.0, 0.0))
    stored |= kept(traced(pair), "pair")
    stored |= kept(traced(pair, synthetic_array=True), "synthetic")
    stored |= kept(traced(scene_of(PAIR[:1], rows=2)), "arrays")
    mixed = {"refraction": True, "diffraction": True, "samples_per_src": 10000}
    stored |= kept(traced(pair, **mixed), "mixed")
    stored |= kept(echoes(), "echo")
    np.savez_compressed(ROOT / "tests" / "data" / "sionna_canyon.npz", **stored)

    street = scene_of(STREET[:3], (10.0, 0.0, 0.0))
    datasets = deepmimo(street, traced(street))
    several = datasets.datasets  # one for each access point
    stored = dict(versions)
    for number, each in enumerate(several):
        for name in ("power", "phase", "delay", "aoa_az", "aoa_el", "aod_az", "aod_el", "inter",
                     "inter_pos", "rx_pos", "tx_pos"):  # fmt: skip
            stored[f"{number}.{name}"] = np.asarray(getattr(each, name))
        stored[f"{number}.frequency"] = np.asarray(each.rt_params["frequency"])
        stored[f"{number}.raytracer_name"] = np.asarray(each.rt_params["raytracer_name"])
    np.savez_compressed(ROOT / "tests" / "data" / "deepmimo_canyon.npz", **stored)


if __name__ == "__main__":
    main()
