"""What nbval executes is what the book shows, and what nbval does not compare is compared here.

Failures are listed in the order of the house (tools/floors.py).
"""

import functools
import importlib.util
import multiprocessing
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, and no stopwatch: a busy machine is not a wrong formula.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

ROOT = Path(__file__).parent
NOTEBOOKS = ROOT / "tests" / "notebooks"


@functools.cache
def _tool(name):
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _book():
    return _tool("book")


def _is_cell(item):
    return hasattr(item, "test_outputs")  # an nbval item


def pytest_addoption(parser):
    parser.addoption(
        "--keep-outputs",
        action="store_true",
        help="put the outputs of each chapter that passes into jupyter-cache, for the book",
    )


def pytest_sessionfinish(session):
    """List failures lowest floor first, whichever worker met them when."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for kind in ("error", "failed"):
        found = reporter.stats.get(kind, []) if reporter else []
        found.sort(key=lambda report: _tool("floors").floor(report.nodeid))


def pytest_collection_modifyitems(items):
    """Leave figures to the build (nbval itself skips only png and jpeg), and text where it is."""
    notebooks = {item.parent for item in items if _is_cell(item)}
    if not notebooks:
        return
    import nbval.plugin

    if "forkserver" in multiprocessing.get_all_start_methods():
        sys.path.append(str(ROOT / "tools"))  # what is forked imports it by its name
        import kernels
        from jupyter_client.provisioning import local_provisioner

        local_provisioner.launch_kernel = kernels.forked
    book = _book()
    nbval.plugin.coalesce_streams = book.merged  # nbval's own moves text across figures
    skipped = [*book.FIGURES, *(book.GLUED + kind for kind in book.FIGURES)]
    for notebook in notebooks:
        notebook.skip_compare += tuple(skipped)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Compare names of glued values, and the order of outputs of different kinds."""
    result = yield
    if _is_cell(item) and item.options["check"] and item.cell.execution_count is not None:
        stored, given = map(_book().sequence, (item.cell.outputs, item.test_outputs))
        if stored != given:
            lines = ["stored:", *stored, "given:", *given]
            item.raise_cell_error("Cell outputs differ in name or order", "\n  ".join(lines))
    return result


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
        book = _book()
        keep = item.config.getoption("keep_outputs") and path.is_relative_to(NOTEBOOKS)
        if keep and book.in_step(path):  # the first cell installs the package
            book.cache_outputs(book.chapter_path(path), [item.test_outputs for item, _ in runs[1:]])
