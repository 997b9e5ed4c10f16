"""What nbval executes is what the book shows: each chapter that passes goes into jupyter-cache."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, and no stopwatch: a busy machine is not a wrong formula.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

ROOT = Path(__file__).parent
NOTEBOOKS = ROOT / "tests" / "notebooks"


def _tool(name):
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _is_cell(item):
    return hasattr(item, "test_outputs")  # an nbval item


def pytest_collection_modifyitems(items):
    """Leave figures to the build (nbval itself skips only png and jpeg)."""
    notebooks = {item.parent for item in items if _is_cell(item)}
    if not notebooks:
        return
    book = _tool("book")
    skipped = [*book.FIGURES, *(book.GLUED + kind for kind in book.FIGURES)]
    for notebook in notebooks:
        notebook.skip_compare += tuple(skipped)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call" and _is_cell(item):
        runs = item.parent.__dict__.setdefault("_runs", [])
        runs.append((item, outcome.get_result().passed))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    if not _is_cell(item) or (nextitem is not None and nextitem.parent is item.parent):
        return
    runs = item.parent.__dict__.get("_runs", [])
    path = Path(item.parent.path)
    if len(runs) == len(item.parent.nb.cells) and all(passed for _, passed in runs):
        book = _tool("book")
        if path.is_relative_to(NOTEBOOKS) and book.in_step(path):
            book.cache_outputs(book.chapter_path(path), [item.test_outputs for item, _ in runs])
