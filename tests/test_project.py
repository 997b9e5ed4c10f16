"""The project's own promises: pins, licences, README, and tools that notice what they should."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import cfisac

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(lines):
    found = [re.fullmatch(r"([\w.-]+)==([\w.+!-]+)", line.strip(" -")) for line in lines]
    return {canonicalize_name(match[1]): match[2] for match in found if match}


CONSTRAINTS = pins((ROOT / "constraints.txt").read_text().splitlines())


def direct():
    extras = PROJECT["optional-dependencies"].values()
    every = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    return {
        canonicalize_name(requirement.name): requirement for requirement in map(Requirement, every)
    }


def closure():
    """Every package that cfisac[book,test,cluster] needs here, by canonical name."""
    todo, seen = [(name, frozenset(r.extras)) for name, r in direct().items()], set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for line in importlib.metadata.requires(name) or []:
            needed = Requirement(line)
            environments = [{"extra": extra} for extra in ("", *extras)]
            if needed.marker is None or any(map(needed.marker.evaluate, environments)):
                todo.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return {name for name, _ in seen}


def tool(name):
    spec = importlib.util.spec_from_file_location(f"tool_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_package_needed_is_pinned():
    assert closure() <= CONSTRAINTS.keys()


def test_installed_versions_are_the_pins():
    installed = {name: importlib.metadata.version(name) for name in closure()}
    assert installed == {name: CONSTRAINTS[name] for name in installed}


def test_pins_meet_the_requirements():
    unmet = [str(r) for name, r in direct().items() if CONSTRAINTS[name] not in r.specifier]
    assert not unmet


def test_conda_environment_has_the_same_direct_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = (entry["pip"] for entry in environment if isinstance(entry, dict))
    assert pip[0] == "-c constraints.txt"
    assert pip[-1] == "-e ."
    assert pins(pip) == {name: CONSTRAINTS[name] for name in direct()}


def test_the_build_backend_is_pinned_too():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert pins(build) == {"setuptools": CONSTRAINTS["setuptools"]}


def test_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cfisac.__version__ == PROJECT["version"] == citation["version"]


def test_one_repository_address():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert config["repository"]["url"] == citation["repository-code"]


def test_the_script_in_the_readme_runs_and_meets_its_bound():
    script = re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    bound, error = (float(number) for number in re.findall(r"(\d+\.\d+) degrees", run.stdout))
    # 5000 draws: the standard error of a root mean square is 1 % of it
    assert error == pytest.approx(bound, rel=0.05)


def test_local_links_of_the_documents_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^):#]+)\)", (ROOT / name).read_text()):
            assert (ROOT / target).exists(), f"{name}: {target}"


def test_the_reference_page_names_every_module():
    listed = set(re.findall(r"automodule:: (\S+)", (ROOT / "book" / "api.md").read_text()))
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "cfisac").rglob("*.py")
        if not path.name.startswith("_") or (path.name == "__init__.py" and path.stat().st_size)
    }
    assert modules - listed <= {"cfisac", "cfisac.cli", "cfisac.limits", "cfisac.estimators"}
    assert listed <= modules


def test_student_edition_has_no_solutions():
    notebooks = _notebooks()
    text = (ROOT / "book" / "foundations" / "factor_theorem.md").read_text()
    notebook = notebooks.notebook(notebooks.without_solutions(text), {})
    source = "\n".join(cell.source for cell in notebook.cells)
    assert "solution" not in source.lower()
    assert source.count("# your answer") == text.count("{solution-start}") > 0
    assert "{prf:" not in source
    assert "exercise" in source.lower()


def test_readable_notebooks_keep_the_numbers():
    notebooks = _notebooks()
    text = (
        "(here)=\nIt is {glue:text}`peb:.2f` m, see {eq}`zhang-41` and {doc}`../limits/angle_gain`,"
        " of {glue:text}`draws:,`."
    )
    assert (
        notebooks.readable(text, {"peb": "0.3333", "draws": "1048576"})
        == "It is 0.33 m, see (zhang-41) and angle gain, of 1,048,576."
    )


@pytest.mark.parametrize(
    ("number", "shown"),
    [("-12.79", "−12.79"), ("2e+08", "2 × 10⁸"), ("-1.5e-07", "−1.5 × 10⁻⁷"), ("3e2e", "3e2e"),
     ("1,048,576", "1,048,576"), ("inf", "inf"), ("-fold", "-fold")],
)  # fmt: skip
def test_numbers_in_prose_are_set_like_prose(number, shown):
    assert tool("cfisac_sphinx").typeset(number) == shown


def test_outputs_of_a_chapter_edited_since_are_not_in_step(tmp_path):
    """What nbval ran is the stored notebook: the book must not show it under other cells."""
    book = tool("book")
    book.BOOK, book.STORED = tmp_path / "book", tmp_path / "stored"
    chapter, stored = book.BOOK / "page.md", book.STORED / "page.ipynb"
    for folder in (book.BOOK, book.STORED):
        folder.mkdir()
    source = (ROOT / "book" / "ledger" / "scoreboard.md").read_text()
    chapter.write_text(source)
    nbformat.write(book.code_of(chapter), stored)
    assert book.in_step(stored)
    chapter.write_text(source.replace("ledger.scoreboard", "ledger.errata"))
    assert not book.in_step(stored)
    chapter.unlink()
    assert not book.in_step(stored)


def test_labels_and_stored_tables_count_for_the_cache_and_other_tables_do_not(tmp_path):
    book = tool("book")
    book.ROOT, book.BOOK, book.CACHE = tmp_path, tmp_path / "book", tmp_path / "cache"
    (book.BOOK / "results").mkdir(parents=True)
    (tmp_path / "constraints.txt").touch()

    def fingerprint():
        book.open_cache()
        return (book.CACHE / "fingerprint").read_text()

    page, seen = book.BOOK / "page.md", [fingerprint()]
    for file, text, changes in (
        (page, "words", True),
        (page, "other words", False),
        (page, "```{math}\n:label: zhang-41\n```", True),
        (book.BOOK / "results" / "zhang-fig2.book.csv", "1", False),
        (book.BOOK / "results" / "zhang-fig2.csv", "1", True),
        (book.BOOK / "results" / "zhang-fig2.json", "1", True),
    ):
        file.write_text(text)
        seen.append(fingerprint())
        assert (seen[-1] != seen[-2]) is changes, file


def _notebooks():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return tool("notebooks")
    finally:
        sys.path.remove(str(ROOT / "tools"))


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<script src="https://cdn.example/x.js"></script>', True),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', True),
        ('<img src="http://example.org/x.png">', True),
        ('<a href="https://example.org">a link is fine</a>', False),
        ('<script src="../vendor/plotly.min.js"></script>', False),
    ],
)
def test_pages_that_load_outside_files_are_found(tmp_path, page, found):
    book = tool("book")
    book.HTML = tmp_path
    (tmp_path / "page.html").write_text(page)
    assert bool(book.outside_files()) is found
