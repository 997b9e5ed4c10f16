"""The project's own promises: pins, licences, README, and tools that notice what they should."""

import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import nbformat
import psutil
import pytest
import yaml
from docutils import nodes
from jupyter_client.manager import start_new_kernel
from jupyter_client.provisioning import local_provisioner
from nbformat.v4 import new_code_cell, new_output
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pybtex.database import parse_file

import cfisac
from cfisac import ledger, paths

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(lines):
    found = [re.fullmatch(r"([\w.-]+)==([\w.+!-]+)", line.strip(" -")) for line in lines]
    return {canonicalize_name(match[1]): match[2] for match in found if match}


CONSTRAINTS = pins((ROOT / "constraints.txt").read_text().splitlines())


def direct():
    extras = (each for name, each in PROJECT["optional-dependencies"].items() if name != "gpu")
    every = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    return {
        canonicalize_name(requirement.name): requirement for requirement in map(Requirement, every)
    }


def closure():
    """Every package that cfisac[book,test,cluster,fast] needs here, by canonical name."""
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
    """A program of tools/, anew; what it imports from there is found."""
    spec = importlib.util.spec_from_file_location(f"tool_{name}", ROOT / "tools" / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "tools"))
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


@cache
def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_one_repository_address_and_one_licence():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert config["repository"]["url"] == citation()["repository-code"]
    assert " AND ".join(citation()["license"]) == PROJECT["license"]


def plain(text):
    return re.sub(r"[{}\\\"]", "", text)


@pytest.mark.parametrize("source", ledger.TITLES)
def test_each_source_is_cited_as_the_bibliography_has_it(source):
    entry = parse_file(ROOT / "book" / "references.bib").entries[source]
    title = plain(entry.fields["title"])
    (cited,) = (each for each in citation()["references"] if each["title"] == title)
    names = [each.get("family-names") or each["name"] for each in cited["authors"]]
    assert names == [plain(" ".join(person.last_names)) for person in entry.persons["author"]]
    assert str(cited.get("year", "")) == entry.fields.get("year", "")
    published = entry.fields["howpublished"]
    assert cited.get("notes") == (
        published if published.startswith("arXiv:") else cited.get("notes")
    )
    assert cited.get("url") == entry.fields.get("url")


def test_what_citation_and_readme_say_is_done_is_done():
    """Both say that every claim has a verdict; bounds and designs of all five have chapters."""
    rows = ledger.load()
    assert len(ledger.TITLES) == len(citation()["references"]) == 5
    for source in ledger.TITLES:
        judged = [row for row in rows if row.source == source and row.verdict != "open"]
        for part in ("limits/", "designs/"):
            assert any(row.read.startswith(part) for row in judged), (source, part)
    assert all(row.verdict != "open" for row in rows)
    for text in (citation()["abstract"], (ROOT / "README.md").read_text()):
        words = " ".join(text.split())
        assert "Every claim of the five has a verdict." in words


def scripts_of_the_readme() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)


def test_the_first_script_in_the_readme_draws_its_map(tmp_path):
    """A dozen lines, and a picture."""
    script = scripts_of_the_readme()[0]
    assert len([line for line in script.splitlines() if line and "import" not in line]) <= 13
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert re.fullmatch(r"half of the hall: better than \d+\.\d cm\n", run.stdout)
    assert (tmp_path / "peb.png").stat().st_size > 10_000


def test_the_script_in_the_readme_runs_and_meets_its_bound():
    script = scripts_of_the_readme()[1]
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    bound, error = (float(number) for number in re.findall(r"(\d+\.\d+) degrees", run.stdout))
    # 5000 draws: the standard error of a root mean square is 1 % of it
    assert error == pytest.approx(bound, rel=0.05)


def test_the_package_tested_is_the_one_of_this_checkout():
    assert Path(cfisac.__file__) == ROOT / "cfisac" / "__init__.py"


def test_local_links_of_the_documents_lead_somewhere():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(documents) >= 7
    for document in documents:
        for target in re.findall(r"\]\(([^):#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_page_of_paths_has_every_public_name_once():
    """It is grouped by hand, unlike the other pages."""
    page = (ROOT / "book" / "api" / "paths.md").read_text()
    named = re.findall(r"auto(?:class|function):: (\S+)", page)
    assert sorted(named) == sorted(paths.__all__)


def test_the_first_link_is_the_chapter_on_a_scene_of_ones_own():
    for name, first in {"README.md": r"\]\((\S+)\.md\)", "book/api.md": r"{doc}`([^`]+)`"}.items():
        found = re.search(first, (ROOT / name).read_text())[1]
        assert found.removeprefix("book/") == "limits/your_own_scene", name


def test_every_decision_is_listed_and_says_what_would_change_it():
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\w+\.md)\)", (folder / "README.md").read_text())
    assert sorted(listed) == sorted(p.name for p in folder.glob("*.md") if p.name != "README.md")
    for name in listed:
        text = (folder / name).read_text()
        for part in ("Decided", "Why", "What it costs", "What would change our mind"):
            assert f"**{part}.**" in text, f"{name}: {part}"
        assert len(text.split()) < 400, f"{name}: more than a page"


def test_the_version_has_its_place_in_the_changes():
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert PROJECT["version"] in [heading.split()[0] for heading in headings]


FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_issue_forms_are_forms(form):
    """What GitHub refuses without a word: a form without a name, a field without a label."""
    content = yaml.safe_load(form.read_text())
    if form.stem == "config":
        assert content.keys() == {"blank_issues_enabled"}
        return
    assert {"name", "description", "body"} <= content.keys()
    ids = [field["id"] for field in content["body"]]
    assert len(ids) == len(set(ids))
    for field in content["body"]:
        assert field["type"] in ("input", "textarea", "dropdown")
        assert field["attributes"]["label"]
        assert ("options" in field["attributes"]) == (field["type"] == "dropdown")


def test_there_is_a_form_for_a_wrong_equation_that_asks_for_a_counterexample():
    (form,) = (path for path in FORMS if path.stem == "wrong_equation")
    fields = {field["id"]: field for field in yaml.safe_load(form.read_text())["body"]}
    for name in ("row", "counterexample"):
        assert fields[name]["validations"]["required"]


def test_the_reference_names_every_module_once():
    pages = "".join(path.read_text() for path in sorted((ROOT / "book" / "api").glob("*.md")))
    named = re.findall(r"automodule:: (\S+)", pages)
    listed = set(named)
    assert len(listed) == len(named)
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "cfisac").rglob("*.py")
        if not path.name.startswith("_") or (path.name == "__init__.py" and path.stat().st_size)
    }
    assert modules - listed <= {"cfisac", "cfisac.cli", "cfisac.limits", "cfisac.estimators"}
    assert listed <= modules


def test_student_edition_has_no_solutions():
    notebooks = tool("notebooks")
    text = (ROOT / "book" / "foundations" / "factor_theorem.md").read_text()
    notebook = notebooks.notebook(notebooks.without_solutions(text), notebooks.Known())
    source = "\n".join(cell.source for cell in notebook.cells)
    assert "solution" not in source.lower()
    assert source.count("# your answer") == text.count("{solution-start}") > 0
    assert "{prf:" not in source
    assert "exercise" in source.lower()


def test_readable_notebooks_keep_the_numbers():
    notebooks = tool("notebooks")
    text = (
        "(here)=\nIt is {glue:text}`peb:.2f` m, see {eq}`zhang-41` and {doc}`../limits/angle_gain`,"
        " of {glue:text}`draws:,`."
    )
    assert (
        notebooks.readable(text, notebooks.Known({"peb": "0.3333", "draws": "40000"}))
        == "It is 0.33 m, see (zhang-41) and angle gain, of 40\N{NO-BREAK SPACE}000."
    )


SITE = """<article><h1><span class="section-number">7. </span>From places to delays</h1>
<span id="own-aps"></span><h2>Your access points<a class="headerlink">#</a></h2>
<figure id="fig-x"><img alt="a" src="a.png"><figcaption>
<span class="caption-number">Fig. 7.1 </span>
<span class="caption-text">A caption.</span></figcaption></figure>
<div class="proof theorem" id="thm-x"><p class="admonition-title">
<span class="caption-number">Theorem 3.1 </span> (Of \\(x_1\\))</p></div>
<div class="exercise" id="ex-a_b"><p class="admonition-title">
<span class="caption-number">Exercise 4.2 </span> (In the middle)</p></div>
<div class="solution"><p class="admonition-title">Solution to <a href="#ex-a_b">it</a></p></div>
<div class="math" id="equation-eq-a-b">
<span class="eqno">(5.12)<a class="headerlink">#</a></span></div>
<p><span class="bibtex-citation">Rife and Boorstyn [<a href="x">RB74</a>]</span></p></article>"""


@pytest.fixture
def known(tmp_path):
    """What a small built page shows."""
    (tmp_path / "foundations").mkdir()
    (tmp_path / "foundations" / "geometry.html").write_text(SITE)
    items = tool("pages").Pages(tmp_path)
    assert "ex-a-b" in items.solutions
    return tool("notebooks").Known({}, "limits/page", items)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("{numref}`fig-x`", "Fig. 7.1"), ("{prf:ref}`thm-x`", "Theorem 3.1"),
     ("{prf:ref}`it <thm-x>`", "it"), ("{eq}`eq-a_b`", "(5.12)"),
     ("{ref}`ex-a_b`", "Exercise 4.2 (In the middle)"), ("{ref}`own-aps`", "*Your access points*"),
     ("{doc}`../foundations/geometry`", "*From places to delays*"),
     ("{term}`rivals <rival>`", "rivals"),
     ("{py:func}`cfisac.limits.multistatic.position_map`", "`position_map`"),
     ("$$\nx\n$$ (eq-a_b)", "$$\nx\n\\tag{5.12}\n$$"),
     ("```{math}\n:label: eq-a_b\nx\n```", "$$\nx\n\\tag{5.12}\n$$"),
     ("```{prf:theorem} Of x\n:label: thm-x\nYes.\n```", "> **Theorem 3.1 (Of x).** Yes."),
     ("```{list-table}\n* - a\n  - b\n* - c\n  - d\n```", "| a | b |\n|---|---|\n| c | d |"),
     ('<a href="slides.html#lecture-1">it</a>', "it"), ("What\n: this", "- **What:** this")],
)  # fmt: skip
def test_notebooks_call_things_as_the_pages_do(known, text, shown):
    assert tool("notebooks").readable(text, known) == shown


def test_notebooks_keep_captions_and_citations(known):
    notebooks = tool("notebooks")
    cell = "---\nmystnb:\n  figure:\n    name: fig-x\n    caption: See {eq}`eq-a_b`.\n---\nx = 1"
    text = CHAPTER % cell + "\nAs {cite:t}`rife` say.\n"
    text = notebooks.with_citations(text, known.items.citations["foundations/geometry"])
    sources = [each.source for each in notebooks.notebook(text, known).cells]
    assert sources == ["x = 1", "**Fig. 7.1.** See (5.12).", "As Rife and Boorstyn [RB74] say."]


@pytest.mark.parametrize(
    ("number", "shown"),
    [("-12.79", "−12.79"), ("2e+08", "2 × 10⁸"), ("-1.5e-07", "−1.5 × 10⁻⁷"), ("3e2e", "3e2e"),
     ("1,048,576", "1\N{NO-BREAK SPACE}048\N{NO-BREAK SPACE}576"), ("inf", "inf"),
     ("-fold", "-fold")],
)  # fmt: skip
def test_numbers_in_prose_are_set_like_prose(number, shown):
    assert tool("cfisac_sphinx").typeset(number) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("100 m away", "100_m away"),
        ("at 28 GHz, 3 dBsm and 5 %", "at 28_GHz, 3_dBsm and 5_%"),
        ("0.143 ± 0.005 m/s", "0.143 ±_0.005_m/s"),
        ("20 scenes, 4 more", "20 scenes, 4 more"),
        ("pasted: {} m", "pasted: {}_m"),
        ("pasted: {} metres", "pasted: {} metres"),
    ],
)
def test_no_line_ends_between_a_number_and_its_unit(words, shown):
    paragraph = nodes.paragraph()
    for number, part in enumerate(words.split("{}")):
        paragraph += [nodes.inline("", "7.5")] * number + [nodes.Text(part)]
    paragraph += nodes.literal("", "", nodes.Text("5 m"))
    document = nodes.section("", paragraph)
    tool("cfisac_sphinx").units_stay_with_their_number(None, document, "")
    assert paragraph.astext() == shown.format("7.5").replace("_", "\N{NO-BREAK SPACE}") + "5 m"


@pytest.mark.parametrize(
    ("value", "shown"),
    [("38000000000.0", "3.8e10"), ("83.33333333333333", "83.3333"), ("300.0", "300.0"),
     ("{'a': 1.2589254117941663e-12, 'v2.0': 1}", "{'a': 1.25893e-12, 'v2.0': 1}")],
)  # fmt: skip
def test_values_in_signatures_are_short(value, shown):
    assert tool("cfisac_sphinx").shorter(value) == shown


def test_outputs_of_a_chapter_edited_since_are_not_in_step(tmp_path):
    """What nbval ran is the stored notebook: the book must not show it under other cells."""
    book = tool("book")
    book.BOOK, book.STORED = tmp_path / "book", tmp_path / "stored"
    chapter, stored = book.BOOK / "page.md", book.STORED / "page.ipynb"
    for folder in (book.BOOK, book.STORED):
        folder.mkdir()
    source = (ROOT / "book" / "ledger" / "scoreboard.md").read_text()
    chapter.write_text(source)
    notebook = book.code_of(chapter)
    nbformat.write(notebook, stored)
    assert not book.in_step(stored)  # without the cell that installs the package
    notebook.cells.insert(0, book.setup_cell())
    nbformat.write(notebook, stored)
    assert book.in_step(stored)
    assert book.stored_cells(stored) == notebook.cells[1:]
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


def test_pages_are_built_again_when_anything_they_are_made_of_changes(tmp_path):
    book = tool("book")
    book.ROOT, book.BOOK = tmp_path, tmp_path / "book"
    for folder in ("book/_static", "book/results", "cfisac/ledger", "tools"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "constraints.txt", "CITATION.cff"):
        (tmp_path / name).touch()
    seen = [book.state()]
    for file, changes in (
        ("book/page.md", True),
        ("book/_static/custom.css", True),
        ("book/results/zhang-fig2.csv", True),
        ("book/results/zhang-fig2.jsonl", False),
        ("cfisac/ledger/_style.css", True),
        ("tools/slim.py", True),
        ("tools/slim.pyc", False),
        ("_toc.yml", True),
        ("CITATION.cff", True),
    ):
        (tmp_path / file).write_text("words")
        seen.append(book.state())
        assert (seen[-1] != seen[-2]) is changes, file


def test_the_ledger_runs_again_when_a_formula_changes_and_other_chapters_do_not(tmp_path):
    book = tool("book")
    book.ROOT, book.BOOK, book.CACHE = tmp_path, tmp_path / "book", tmp_path / "cache"
    (book.BOOK / "ledger").mkdir(parents=True)
    (tmp_path / "constraints.txt").touch()
    head = "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n  language: python\n---\n"
    cell = "```{{code-cell}} ipython3\nprint({})\n```\n"
    pages = {name: book.BOOK / name for name in ("chapter.md", "ledger/rows.md")}
    for number, page in enumerate(pages.values()):
        page.write_text(f"{head}# Title\n\n{cell.format(number)}")

    def cached():
        cache = book.open_cache()
        return [name for name, page in pages.items() if book.is_cached(cache, page)]

    book.open_cache()
    for page in pages.values():
        book.cache_outputs(page, [[]])
    assert cached() == list(pages)
    formula = "\n```{math}\n:label: our-one\nx = 1\n```\n"
    plain = pages["chapter.md"].read_text()
    pages["chapter.md"].write_text(plain + formula)
    book.open_cache()  # a new label: all run again
    for page in pages.values():
        book.cache_outputs(page, [[]])
    pages["chapter.md"].write_text(plain + formula + "\nMore words.\n")
    assert cached() == list(pages)
    pages["chapter.md"].write_text(plain + formula.replace("x = 1", "x = 2"))
    assert cached() == ["chapter.md"]


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


# ------------------------------------------------------------------------- outputs of the chapters

FIGURE = new_output("display_data", {"image/png": "x", "text/plain": "<Figure>"})


def printed(text):
    return new_output("stream", name="stdout", text=text)


def glued(name):
    data = {"application/papermill.record/text/plain": "1"}
    return new_output("display_data", data, metadata={"scrapbook": {"name": name}})


def test_text_is_joined_as_far_as_nothing_shown_lies_between():
    book = tool("book")
    outputs = [printed("a"), printed("b\n"), glued("x"), printed("c\n"), FIGURE, printed("d\n")]
    assert book.merged(outputs) == [printed("ab\nc\n"), glued("x"), FIGURE, printed("d\n")]
    assert outputs[0] == printed("a")
    assert book.merged([printed("50 %\r"), printed("100 %\n")]) == [printed("100 %\n")]


def test_names_and_order_of_outputs_are_told_apart_and_figures_are_not():
    book = tool("book")
    told = [[printed("a"), FIGURE], [FIGURE, printed("a")], [printed("a"), glued("x")],
            [printed("a"), glued("y")], [printed("a")], [glued("y"), printed("a")]]  # fmt: skip
    assert len({tuple(book.sequence(outputs)) for outputs in told}) == len(told)
    svg = new_output("display_data", {"image/svg+xml": "y", "text/plain": "<Figure>"})
    assert book.sequence([svg]) == book.sequence([FIGURE])


def test_a_renamed_value_and_text_moved_across_a_figure_fail(tmp_path):
    """Neither does in nbval alone."""
    show = (
        "from IPython.display import display\n"
        "def glue(name):\n"
        "    data = {'application/papermill.record/text/plain': '1'}\n"
        "    display(data, raw=True, metadata={'scrapbook': {'name': name}})\n"
        "def figure():\n"
        "    display({'image/png': 'x', 'text/plain': '<Figure>'}, raw=True)"
    )
    cells = [
        (show, []),
        ("glue('old'); print('a'); figure()", [glued("old"), printed("a\n"), FIGURE]),
        ("print('a', flush=True); glue('new'); print('b')", [printed("a\nb\n"), glued("new")]),
        ("glue('new')", [glued("old")]),
        ("print('a'); figure(); print('b')", [printed("a\nb\n"), FIGURE]),
        ("figure(); print('a')", [printed("a\n"), FIGURE]),
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[new_code_cell(text, outputs=held, execution_count=1) for text, held in cells]
    )
    nbformat.write(notebook, tmp_path / "page.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider"]
    command += [f"--rootdir={ROOT}", f"--junitxml={tmp_path / 'report.xml'}"]
    command += ["--nbval", "--nbval-current-env", str(tmp_path / "page.ipynb")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    failed = re.findall(r"^FAILED .*::Cell (\d)", run.stdout, re.M)
    assert failed == ["3", "4", "5"], run.stdout + run.stderr


CHAPTER = """---
kernelspec: {display_name: Python 3, language: python, name: python3}
---

```{code-cell} ipython3
%s
```
"""


def test_a_chapter_sees_the_environment_and_leaves_it_alone(tmp_path, monkeypatch):
    book = tool("book")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/somewhere")
    monkeypatch.setenv("MPLBACKEND", "agg")
    before = dict(os.environ)
    page = tmp_path / "page.md"
    page.write_text(CHAPTER % "import json, os\nprint(json.dumps(dict(os.environ)))")
    notebook, _ = book.execute(page)
    seen = json.loads(notebook.cells[0].outputs[0].text)
    assert dict(os.environ) == before
    assert {name: seen[name] for name in ("PATH", "LD_LIBRARY_PATH")} == {
        name: before[name] for name in ("PATH", "LD_LIBRARY_PATH")
    }
    assert seen["OPENBLAS_NUM_THREADS"] == "1"
    assert "inline" in seen["MPLBACKEND"]  # the kernel's own: figures go into the notebook


@pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork"
)
def test_a_forked_kernel_is_as_empty_as_any_and_can_be_stopped(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    kernels = importlib.import_module("kernels")
    monkeypatch.setattr(local_provisioner, "launch_kernel", kernels.forked)
    before, said = dict(os.environ), []

    def hear(message):
        said.append(message["content"].get("text", ""))
        if said[-1] == "on\n":
            os.killpg(manager.provisioner.pgid, signal.SIGINT)

    code = """
import json, os, sys
held = "sympy" in sys.modules, "np" in globals(), any("tools" in path for path in sys.path)
print(json.dumps([*held, os.getcwd(), os.environ["ASKED"], os.environ["MPLBACKEND"]]))
"""
    manager, client = start_new_kernel(
        kernel_name="python3", cwd=str(tmp_path), env=before | {"ASKED": "yes"}
    )
    try:
        client.execute_interactive(code, output_hook=hear)
        endless = "print('on', flush=True)\nwhile True: pass"
        client.execute_interactive(endless, output_hook=hear, stop_on_error=False)
        client.execute_interactive("print('stopped')", output_hook=hear)
    finally:
        process = psutil.Process(manager.provisioner.pid)
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    first, on, second = (text for text in said if text)
    assert json.loads(first) == [True, False, False, str(tmp_path), "yes", kernels.INLINE]
    assert (on, second) == ("on\n", "stopped\n")
    assert dict(os.environ) == before
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_notebooks_begin_with_the_cell_that_installs_the_package(tmp_path, monkeypatch):
    notebooks = tool("notebooks")
    book = notebooks.book
    first = book.setup_cell().source
    address = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    assert f"git+{address}" in first
    monkeypatch.setattr(book, "BUILD", tmp_path)
    monkeypatch.setattr(book, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(book, "STUDENT", tmp_path / "student")
    notebooks.write_downloads()
    notebooks.write_student()
    downloads, student = tmp_path / "html" / "_sources", tmp_path / "student"
    every = len(book.chapters())
    ledger_pages = [each for each in book.chapters() if each.parent.name == "ledger"]
    counts = {book.STORED: every, downloads: every, student: every - len(ledger_pages)}
    for folder, count in counts.items():  # Colab: the first
        found = list(folder.rglob("*.ipynb"))
        assert len(found) == count
        assert {nbformat.read(path, 4).cells[0].source for path in found} == {first}


# -------------------------------------------------------------------------------------- programs

ENDLESS = """import os, pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid} ")
child.wait()"""


@pytest.mark.parametrize(
    "runs",
    ["book.execute_all([here / 'page.md'])", "book.call([sys.executable, 'x.py'], cwd=here)"],
)
def test_ctrl_c_stops_what_would_never_end(tmp_path, runs):
    """One line, exit code 130, and no process is left."""
    (tmp_path / "page.md").write_text(CHAPTER % ENDLESS)
    (tmp_path / "x.py").write_text(ENDLESS)
    program = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"  # whatever it was
        f"import pathlib, sys\nsys.path.insert(0, {str(ROOT / 'tools')!r})\nimport book\n"
        f"here = book.BOOK = pathlib.Path({str(tmp_path)!r})\nbook.heed_signals()\n{runs}"
    )
    pids = tmp_path / "pids"
    environment = {name: value for name, value in os.environ.items() if name != "MAKELEVEL"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], start_new_session=True, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not (pids.exists() and pids.read_text().endswith(" ")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", "Stopped.\n")
    for pid in map(int, pids.read_text().split()):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)  # killed, and not gone yet: one that lives on would never end


X86 = ["X86_V3", "X86_V4", "AVX512_ICL"]


@pytest.mark.parametrize(
    ("machine", "blas", "loops", "names"),
    [
        ("x86_64", ["SkylakeX"], X86, ["none set", "Haswell", "SkylakeX", "Prescott, plain loops"]),
        ("x86_64", ["Haswell"], ["AVX2"], ["none set", "Haswell", "Prescott, plain loops"]),
        ("AMD64", ["Nehalem"], [], ["none set", "Prescott, plain loops"]),
        ("aarch64", ["neoversen1"], ["SVE"], ["none set", "ARMV8, plain loops"]),
        ("arm64", [], ["ASIMDHP"], ["none set"]),  # Accelerate, say
    ],
)
def test_kernels_to_compare(machine, blas, loops, names):
    kernels = tool("test").kernels(machine, blas, loops)
    assert [kernel.name for kernel in kernels] == names
    assert kernels[0].settings == {}
    if len(kernels) > 1:
        assert kernels[-1].settings["NPY_DISABLE_CPU_FEATURES"] == " ".join(loops)


def test_a_kernel_that_does_not_run_is_found_out():
    test = tool("test")
    *_, plain_loops = test.kernels("x86_64", ["SkylakeX"], X86)
    assert plain_loops.is_met_by(["Prescott"], [])
    assert plain_loops.is_met_by(["Katmai"], [])
    assert not plain_loops.is_met_by(["Haswell"], [])
    assert not plain_loops.is_met_by(["Haswell", "Katmai"], [])
    assert not plain_loops.is_met_by([], [])
    assert not plain_loops.is_met_by(["Prescott"], ["X86_V3"])


def test_the_plainest_kernel_of_this_machine_runs_when_it_is_asked_for():
    test = tool("test")
    kernel = test.known_kernels()[-1]
    assert kernel.is_met_by(*kernel.running())


def test_what_verify_says_is_counted():
    said = ["a: verified, 2 of 2 rows anew, largest relative difference 3e-12", "b: verified", ""]
    verified = tool("test").verified
    assert str(verified(said, 0)) == "2 passed, 0 failed; largest relative difference 3e-12"
    result = verified([*said, "c: FAILED", "  c.csv row 1: x is 1.0, computed 2.0"], 1)
    assert (result.passed, result.failed) == (2, 1)
    assert result.differences == ["c: FAILED", "c.csv row 1: x is 1.0, computed 2.0"]
    assert verified([], 2).failed == 1


# ------------------------------------------------------------------- checkouts and installed copies


def files_of_the_checkout(target):
    """What pip needs to build the package, copied; building leaves files behind."""
    shutil.copytree(
        ROOT / "cfisac", target / "cfisac", ignore=shutil.ignore_patterns("__pycache__")
    )
    for folder in ("book/ledger", "book/results"):
        shutil.copytree(ROOT / folder, target / folder)
    for name in ("__init__.py", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE",
                 "LICENSE-prose"):  # fmt: skip
        shutil.copy(ROOT / name, target)


def python(code, folder, *paths):
    """Run code in a folder, with nothing but these paths beside the installed packages."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_wheel_carries_ledger_and_stored_tables(tmp_path):
    source, site, here = (tmp_path / name for name in ("source", "site", "here"))
    source.mkdir()
    here.mkdir()
    files_of_the_checkout(source)
    (source / "book" / "results" / "zhang-fig2.smoke.csv").write_text("not this one")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    alone = ["--quiet", "--no-deps", "--no-index"]
    build = [*pip, "wheel", *alone, "--no-build-isolation", "--wheel-dir", str(tmp_path), "."]
    subprocess.run(build, cwd=source, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", *alone, "--target", str(site), str(wheel)], check=True)
    held = sorted(path.name for path in (site / "cfisac" / "book").rglob("*.*"))
    stored = [*(ROOT / "book" / "ledger").glob("*.yml"), *(ROOT / "book" / "results").glob("*.*")]
    assert held == sorted(path.name for path in stored if len(path.suffixes) == 1)

    code = """
import cfisac
from cfisac import cli, ledger, studies
rows = ledger.load()
print(cfisac.__file__, len(rows), len(studies.stored("zhang-fig2")))
assert "angle_gain.html" in ledger.table(rows, "all").html
try:
    ledger.problems(rows)
except ValueError as error:
    print(error)
print(cli.main(["verify", "zhang-fig2", "--rows", "0"]))
print(cli.main(["run", "zhang-fig2", "--fidelity", "smoke", "--workers", "1"]))
"""
    run = python(code, here, site)
    first, problem, *rest = run.stdout.splitlines()
    rows = len(ledger.load())
    assert first.split() == [str(site / "cfisac" / "__init__.py"), str(rows), "20"], run.stderr
    assert problem.startswith("root must be a checkout")
    assert rest == ["zhang-fig2: verified", "0", str(Path("results", "zhang-fig2.smoke.csv")), "0"]
    assert {path.name for path in (here / "results").iterdir()} == {
        "zhang-fig2.smoke.csv", "zhang-fig2.smoke.json", "zhang-fig2.smoke.png"
    }  # fmt: skip


def test_an_archive_of_a_release_is_the_same_bytes_twice(tmp_path):
    dist = tool("dist")
    assert dist.version() == cfisac.__version__
    folder = tmp_path / "html"
    (folder / "limits").mkdir(parents=True)
    for name in ("limits/b.html", "a.html"):
        (folder / name).write_text(name)
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    dist.archive(first, folder, "cfisac-1-book")
    os.utime(folder / "a.html", (1e9, 1e9))
    dist.archive(second, folder, "cfisac-1-book")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == ["cfisac-1-book/a.html", "cfisac-1-book/limits/b.html"]
    line = dist.checksums([first])
    (tmp_path / "SHA256SUMS").write_text(line)
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path).returncode == 0


def test_a_clone_beside_a_script_is_not_taken_for_the_package(tmp_path):
    """Python finds the clone's folder first, and it is named as the package is."""
    clone = tmp_path / "cfisac"
    (clone / "cfisac").mkdir(parents=True)
    for name in ("__init__.py", "cfisac/__init__.py"):
        shutil.copy(ROOT / name, clone / name)
    code = "import cfisac.arrays; print(cfisac.__file__)"
    installed = python(code, tmp_path)
    assert installed.stdout.strip() == cfisac.__file__, installed.stderr

    for folder, advice in ((tmp_path, f"{clone} is only its checkout"), (clone, "'make venv'")):
        bare = [sys.executable, "-S", "-c", code]  # no installed packages
        run = subprocess.run(bare, cwd=folder, capture_output=True, text=True)
        assert run.returncode == 1
        message = run.stderr.splitlines()[-1]
        assert message.startswith(
            f"ModuleNotFoundError: cfisac is not installed in {sys.executable}"
        )
        assert advice in message


@pytest.fixture
def copied(tmp_path):
    """A folder with what makes the environment, and a Python that only says what it does."""
    (tmp_path / "tools").mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "setup.py", "tools/venv.sh"):
        shutil.copy(ROOT / name, tmp_path / name)
    stub = tmp_path / "stub"
    stub.write_text(
        """#!/bin/sh
echo "$*" >>said
case "$1 $2 $3" in
    "-m venv --clear")
        rm -rf "$4"; mkdir -p "$4/bin" "$4/lib/python3.x/site-packages"
        cp stub "$4/bin/python"
        echo elsewhere >"$4/lib/python3.x/site-packages/__editable__.cfisac-0.pth" ;;
    "--version "*) echo Python 3 ;;
esac
"""
    )
    stub.chmod(0o755)
    return tmp_path


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_an_environment_that_was_copied_or_moved_is_made_anew(copied, tmp_path_factory):
    def made(folder):
        said = folder / "said"
        said.write_text("")
        command = ["make", "-C", str(folder), "venv", f"PYTHON={folder / 'stub'}"]
        subprocess.run(command, check=True, capture_output=True)
        return re.findall(r"^-m (venv|pip)", said.read_text(), re.M)

    assert made(copied) == ["venv", "pip"]
    assert (copied / ".venv" / ".installed").read_text().strip() == str(copied.resolve())
    assert made(copied) == []
    os.utime(copied / "pyproject.toml", (time.time() + 60,) * 2)
    assert made(copied) == ["pip"]
    os.utime(copied / "pyproject.toml", (1, 1))
    assert made(copied) == []
    again = tmp_path_factory.mktemp("other") / "copy"
    shutil.copytree(copied, again)
    assert made(again) == ["venv", "pip"]
    (link,) = (again / ".venv").glob("lib/*/site-packages/__editable__.cfisac-*.pth")
    assert (link.parent / link.read_text().strip()).resolve() == again.resolve()
