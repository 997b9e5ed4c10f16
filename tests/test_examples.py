"""The examples of the docstrings run, and print what they say; every public function has one."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import cfisac

ROOT = Path(__file__).resolve().parents[1]
# Rooms of which every public function and class has an example. All others, in the end.
COMPLETE = (
    "cfisac.waveforms",
    "cfisac.propagation",
    "cfisac.estimators.angle_ml",
    "cfisac.montecarlo",
    "cfisac.plotting",
    "cfisac.studies",
    "cfisac.ledger",
)
EXTRA = {"cfisac.limits._map_fast": "numba", "cfisac.limits._map_jax": "jax"}  # need not be there
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(cfisac.__path__, "cfisac.")
    if not info.name.endswith("__main__")
)


def public(module):
    """Functions and classes that a room offers, by name."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    found = {name: getattr(module, name) for name in names}
    return {n: v for n, v in found.items() if inspect.isclass(v) or inspect.isfunction(v)}


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    if name in EXTRA:
        pytest.importorskip(EXTRA[name])
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said = []
    for test in finder.find(module, name, module=module):
        runner.run(test, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("name", COMPLETE)
def test_every_public_function_has_an_example(name):
    offered = public(importlib.import_module(name))
    assert offered
    missing = {n for n, v in offered.items() if ">>> " not in (inspect.getdoc(v) or "")}
    assert missing == set()


def test_an_example_that_lies_is_found():
    def wrong():
        """Say two.

        >>> 1 + 2
        2
        """

    (test,) = doctest.DocTestFinder().find(wrong, "wrong", globs={})
    said = []
    assert doctest.DocTestRunner().run(test, out=said.append).failed == 1
    assert "Expected:" in "".join(said)


def test_examples_print_few_digits():
    """The last digits of a float are the processor's."""

    def digits(number):
        return len(number.replace(".", "").lstrip("0"))

    for path in (ROOT / "cfisac").rglob("*.py"):
        lines = path.read_text("utf-8").splitlines()
        inside = False
        for line in lines:
            inside = line.strip().startswith((">>> ", "... ")) or (inside and bool(line.strip()))
            numbers = re.findall(r"\d+\.\d+", line) if inside else []
            assert all(digits(number) <= 5 for number in numbers), f"{path.name}: {line}"


# ---------------------------------------------------------------------------------- reference pages

PAGES = sorted((ROOT / "book" / "api").glob("*.md"))


def test_the_table_of_tasks_names_functions_that_exist():
    text = (ROOT / "book" / "api.md").read_text("utf-8")
    named = re.findall(r"\{py:(?:func|class|meth|mod)\}`~?([\w.]+)`", text)
    assert len(named) > 20
    for name in named:
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                value = importlib.import_module(".".join(parts[:cut]))
            except ModuleNotFoundError:
                continue
            for part in parts[cut:]:
                value = getattr(value, part)
            break


def test_scripts_of_the_reference_run():
    blocks = [
        block
        for page in [ROOT / "book" / "api.md", *PAGES]
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    ]
    assert blocks
    for block in blocks:
        exec(block.replace("1_000_000", "1_000"), {"__name__": "__main__"})


def test_every_page_of_the_reference_is_in_the_contents_and_on_the_first_one():
    contents = (ROOT / "_toc.yml").read_text()
    first = (ROOT / "book" / "api.md").read_text("utf-8")
    assert PAGES
    for page in PAGES:
        assert f"file: api/{page.stem}\n" in contents
        assert f"{{doc}}`api/{page.stem}`" in first or f"<api/{page.stem}>`" in first
