"""The house: rooms of a size one can read, and names that mean one thing."""

from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "cfisac"
LONGEST = 400  # lines of a module
# Still to be split; nothing else may be longer, and what is split leaves this list.
TO_COME = ("scenarios.py", "fisher.py", "limits/multistatic.py")


def lines(path):
    return len(path.read_text("utf-8").splitlines())


def too_long(package=PACKAGE, longest=LONGEST):
    names = {path.relative_to(package).as_posix(): lines(path) for path in package.rglob("*.py")}
    return {name: n for name, n in names.items() if n > longest}


def test_no_module_is_longer_than_one_can_read():
    assert too_long().keys() - set(TO_COME) == set()


def test_modules_still_to_come_are_still_too_long():
    assert set(TO_COME) <= too_long().keys(), "a module that was split leaves the list TO_COME"


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
