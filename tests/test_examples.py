"""The examples of the docstrings run, and print what they say; every public function has one."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import cfisac

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(cfisac.__path__, "cfisac.")
    if not info.name.endswith("__main__")
)
EXTRAS = {"cfisac.limits._map_fast": "numba", "cfisac.limits._map_jax": "jax"}
# Rooms of which every public function and class has an example.
COMPLETE = (
    "cfisac.arrays",
    "cfisac.waveforms",
    "cfisac.geometry",
    "cfisac.propagation",
    "cfisac.fisher",
    "cfisac.paths",
    "cfisac.scenarios",
    "cfisac.signals",
    *(name for name in MODULES if re.fullmatch(r"cfisac\.limits\.[a-z]\w*", name)),
    *(name for name in MODULES if re.fullmatch(r"cfisac\.estimators\.[a-z]\w*", name)),
    "cfisac.designs",
    *(name for name in MODULES if re.fullmatch(r"cfisac\.designs\.[a-z]\w*", name)),
    "cfisac.montecarlo",
    "cfisac.plotting",
    "cfisac.studies",
    "cfisac.ledger",
)


def load(name):
    """A module; without the package of the extra that it belongs to, the test is skipped."""
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    return importlib.import_module(name)


def public(module):
    """Functions and classes that a room offers, by name."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    found = {name: getattr(module, name) for name in names}
    return {n: v for n, v in found.items() if inspect.isclass(v) or inspect.isfunction(v)}


def examples(module):
    """Docstrings with examples that doctest finds in a module's file."""
    finder = doctest.DocTestFinder()
    found = finder.find(module, module.__name__, module=module)
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said = []
    for test in examples(load(name)):
        runner.run(test, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("name", MODULES)
def test_every_example_that_is_written_is_run(name):
    module = load(name)
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef
    written = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    written = [node for node in written if ">>> " in (ast.get_docstring(node) or "")]
    assert len(examples(module)) == len(written)


@pytest.mark.parametrize("name", COMPLETE)
def test_every_public_function_has_an_example(name):
    """But for old names, which say what the new one is."""
    offered = public(importlib.import_module(name))
    assert offered
    said = {n: inspect.getdoc(v) or "" for n, v in offered.items()}
    said = {n: text for n, text in said.items() if not text.startswith("Old name of")}
    assert {n for n, text in said.items() if ">>> " not in text} == set()


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
    titled = re.findall(r"\{py:(?:func|class|meth|mod)\}`(?:~|([\w.]+) <)?([\w.]+)>?`", text)
    assert len(titled) > 20
    for title, name in titled:
        assert name.endswith(title)  # what is shown is the end of what is meant
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


def test_every_room_of_the_reference_has_examples():
    rooms = {name.split(".")[1] for name in COMPLETE}
    assert {page.stem for page in PAGES} == rooms
    for name in COMPLETE:
        page = (ROOT / "book" / "api" / f"{name.split('.')[1]}.md").read_text("utf-8")
        assert name in page, name
