"""The house: rooms of a size one can read, and names that mean one thing."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cfisac"
LONGEST = 400  # lines of a module


def lines(path):
    return len(path.read_text("utf-8").splitlines())


def too_long(package=PACKAGE, longest=LONGEST):
    names = {path.relative_to(package).as_posix(): lines(path) for path in package.rglob("*.py")}
    return {name: n for name, n in names.items() if n > longest}


def test_no_module_is_longer_than_one_can_read():
    assert too_long() == {}


def test_a_module_that_is_too_long_is_found(tmp_path):
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "long.py").write_text("x = 1\n" * (LONGEST + 1))
    (tmp_path / "short.py").write_text("x = 1\n" * LONGEST)
    assert too_long(tmp_path) == {"limits/long.py": LONGEST + 1}


@pytest.mark.parametrize("name", ["OTFS", "OFDM", "FlatSpectrum", "SignalFactors", "refuse_late"])
def test_waveforms_are_imported_from_one_place(name):
    from cfisac import waveforms

    assert name in waveforms.__all__
    assert hasattr(waveforms, name)


# ----------------------------------------------------------------------------------------- floors


def floors():
    spec = importlib.util.spec_from_file_location("floors", ROOT / "tools" / "floors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FLOORS = floors().FLOORS


def imports(text):
    """Rooms of cfisac that a module imports as it is loaded, not later in a function."""
    rooms = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("cfisac.")}
    return rooms - {"__version__"}


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def upward(path, text):
    """Rooms above its own that a module imports; private ones that have no floor count as level."""
    own = room(path)
    level = FLOORS.index(own) if own in FLOORS else len(FLOORS)
    return {name for name in imports(text) if name in FLOORS and FLOORS.index(name) > level}


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE
           or path.name != "__init__.py"]  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_the_house_and_never_up(path):
    assert upward(path, path.read_text("utf-8")) == set()


def test_every_public_room_has_its_floor():
    assert {room(path) for path in MODULES if not room(path).startswith("_")} <= set(FLOORS)


def test_the_package_lists_every_room_in_the_order_of_the_floors():
    text = (PACKAGE / "__init__.py").read_text("utf-8").split("import sys")[0]
    listed = re.findall(r"^``(\w+)``$", text, re.M)
    rooms = {room(path) for path in MODULES if not room(path).startswith("_")}
    assert listed == sorted(rooms - {"cli"}, key=FLOORS.index)
    for path in MODULES:  # and what is inside limits, estimators, studies
        inside = path.relative_to(PACKAGE).with_suffix("").parts
        if len(inside) > 1 and not any(part.startswith("_") for part in inside[1:]):
            assert f"``{inside[1]}``" in text, inside


def test_the_package_itself_is_light():
    code = (
        "import sys, cfisac; print([n for n in sys.modules if n.startswith(('cfisac.', 'numpy'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_import_of_a_higher_floor_is_found():
    path = PACKAGE / "geometry.py"
    assert upward(path, "from cfisac.limits import angle_gain\n") == {"limits"}
    assert upward(path, "from cfisac import _checks, studies\nimport cfisac.cli") == {
        "studies", "cli"
    }  # fmt: skip
    assert upward(path, "from cfisac import arrays\ndef f():\n    import cfisac.cli") == set()


def test_tests_stand_on_the_floor_of_their_room():
    floor, index = floors().floor, FLOORS.index
    assert floor("tests/test_arrays.py::test_x[limits]") == index("arrays")
    assert floor("tests/limits/test_multistatic_printed.py::T::test_x") == index("limits")
    assert floor("tests.limits.test_angle_gain::test_x") == index("limits")
    assert floor("tests/test_checks.py") == index("_checks")
    assert floor("tests/notebooks/limits/angle_gain.ipynb::Cell 3") >= len(FLOORS)
    assert floor("tests/test_oracle.py::test_x") < floor("tests/test_arrays.py::test_x")
    assert floor("elsewhere/test_new.py") > floor("tests/browser/test_pages.py")


def test_failures_are_listed_lowest_floor_first(tmp_path):
    """Though pytest meets them in the order of their names."""
    for name in ("tests/studies/test_fan.py", "tests/test_geometry.py", "tests/limits/test_x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("def test_it():\n    assert False\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider"]
    command += [f"--rootdir={tmp_path}", "--import-mode=importlib", "tests"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    listed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert listed == [
        "tests/test_geometry.py::test_it",
        "tests/limits/test_x.py::test_it",
        "tests/studies/test_fan.py::test_it",
    ]
