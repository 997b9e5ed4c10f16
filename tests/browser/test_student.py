"""The student edition, made from the built pages: plain Jupyter, and nothing that gives it away."""

import importlib
import re
import sys

import nbformat
import pytest
from nbclient import NotebookClient

LABEL = r"(?<![\w/`.-])(?:fig|thm|ex|eq|def|prop|cor|rem|chap|sec)-[a-z][\w-]*"
RAW = {
    "role": r"\{[\w:]+\}`",
    "directive": r"^(`{3,}|:{3,})\{",
    "option": r"^>? ?:[a-z]+: ",
    "place": r"^\([\w-]+\)=",
    "label": LABEL,
    "tag": r"\\tag\{[^}]*-",
    "dots": r"(?<!\.)\.\.\.(?= ?[a-z%])",
}


@pytest.fixture(scope="module")
def student(html, tmp_path_factory):
    """All notebooks, by name."""
    if not (html / "searchindex.js").exists():
        pytest.skip("the book is not built")
    sys.path.insert(0, str(html.parents[1] / "tools"))
    book, notebooks = map(importlib.import_module, ("book", "notebooks"))
    sys.path.pop(0)
    folder = tmp_path_factory.mktemp("build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "BUILD", folder)
        patch.setattr(book, "STUDENT", folder / "student")
        patch.setattr(book, "CACHE", folder / "cache")
        assert notebooks.write_student() == 0
    top = folder / "student"
    return {path.relative_to(top).as_posix(): path for path in top.rglob("*.ipynb")}


def prose(path):
    cells = nbformat.read(path, 4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.M | re.S)


@pytest.mark.parametrize("kind", RAW)
def test_nothing_raw_is_left(student, kind):
    pattern = re.compile(RAW[kind], re.M)
    found = {name: pattern.findall(prose(path))[:5] for name, path in student.items()}
    assert {name: each for name, each in found.items() if each} == {}


def test_references_have_the_numbers_of_the_pages(student, html):
    text = prose(student["foundations/factor_theorem.ipynb"])
    page = (html / "foundations" / "factor_theorem.html").read_text()
    for kind in ("Theorem", "Exercise", "Fig."):
        number = re.search(rf'caption-number">({kind} \d+\.\d+)', page)[1]
        assert number in text


def test_ledger_and_solutions_are_left_out(student):
    assert not [name for name in student if name.startswith("ledger")]
    for path in student.values():
        text = path.read_text()
        assert "Solution to" not in text
        assert "solution-" not in text


@pytest.mark.parametrize("name", ["teaching.ipynb", "foundations/signal_model.ipynb"])
def test_a_notebook_runs_in_a_plain_kernel(student, tmp_path, name):
    notebook = nbformat.read(student[name], 4)
    setup, *rest = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "%pip install" in setup
    assert not [source for source in rest if "pip install" in source]
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
