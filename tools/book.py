"""Build the book and keep its stored outputs.

python tools/book.py check              are chapters, contents and stored outputs in step?
python tools/book.py outputs [NAME ..]  execute chapters, store their text outputs, show the diff
python tools/book.py build              execute what is not cached, build _build/html
python tools/book.py slides             build the slides of six lectures and a zip of all figures
python tools/book.py student            write notebooks without solutions to _build/student

A chapter is book/<name>.md. Its text outputs are stored in tests/notebooks/<name>.ipynb (code cells
only, no images); nbval compares against them. What has been executed, by nbval or here, goes into
jupyter-cache, and the Sphinx build reads it from there: nothing runs twice. Ctrl-C stops all of it.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":  # Ctrl-C while the rest is imported: the end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import jupytext
import nbformat
import psutil
import yaml
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
STORED = ROOT / "tests" / "notebooks"
BUILD = ROOT / "_build"
HTML = BUILD / "html"
BUILT = HTML / ".built-from"
CACHE = BUILD / ".jupyter_cache"
STUDENT = BUILD / "student"

# Rebuilt by every execution, never compared.
FIGURES = (
    "application/pdf",
    "application/vnd.plotly.v1+json",
    "image/jpeg",
    "image/png",
    "image/svg+xml",
    "text/html",
)
GLUED = "application/papermill.record/"
CELL_WIDTH, CELL_LINES = 79, 30  # wider cells get a scroll bar; longer ones are not read


SETUP_ID = "setup"


def setup_cell() -> NotebookNode:
    """The cell that downloaded and stored notebooks begin with: it installs the package."""
    address = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    source = (
        "# Installs the package where it is missing, in Colab for example.\n"
        "try:\n"
        "    import cfisac\n"
        "except ModuleNotFoundError:\n"
        f'    %pip install -q "cfisac[book] @ git+{address}"'
    )
    return nbformat.v4.new_code_cell(source, id=SETUP_ID)


def environment() -> dict[str, str]:
    """One thread per process, stable hashing, and figures in the notebook (no MPLBACKEND)."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
    fixed = {"PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1", **threads}
    return {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | fixed


def chapters() -> list[Path]:
    """Pages with code cells."""
    pages = sorted(path for path in BOOK.rglob("*.md"))
    return [path for path in pages if re.search(r"^`{3,}\{code-cell", path.read_text(), re.M)]


def name_of(chapter: Path) -> str:
    """A chapter's name in the table of contents: ``limits/angle_gain``."""
    return chapter.relative_to(BOOK).with_suffix("").as_posix()


def stored_path(chapter: Path) -> Path:
    """The notebook that holds a chapter's text outputs."""
    return STORED / f"{name_of(chapter)}.ipynb"


def chapter_path(stored: Path) -> Path:
    """The chapter whose text outputs a notebook holds."""
    return BOOK / stored.relative_to(STORED).with_suffix(".md")


def cells_of(chapter: Path) -> NotebookNode:
    """The code cells of a chapter with all their metadata, as jupyter-cache keys on them."""
    notebook = jupytext.read(chapter, fmt="md:myst")
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return notebook


def code_of(chapter: Path) -> NotebookNode:
    """The code cells of a chapter, as a notebook with ids that depend on nothing else."""
    notebook = cells_of(chapter)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"c{number:02d}-{hashlib.sha256(cell.source.encode()).hexdigest()[:8]}"
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in ("tags",) if key in cell.metadata}
        )
    notebook.metadata = nbformat.from_dict({"kernelspec": notebook.metadata["kernelspec"]})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


# ------------------------------------------------------------------------------------ checking


def check() -> int:
    """Print what is out of step; the number of problems."""
    problems = contents_problems()
    expected = {stored_path(chapter): chapter for chapter in chapters()}
    for stored, chapter in expected.items():
        name = name_of(chapter)
        remedy = f"make outputs NAMES={name}"
        problems += [f"{name}: {problem}" for problem in cell_problems(code_of(chapter).cells)]
        if not stored.exists():
            problems.append(f"{name}: no stored outputs ({remedy})")
            continue
        if not in_step(stored):
            problems.append(f"{name}: edited since its outputs were stored ({remedy})")
        elif any(cell.execution_count is None for cell in stored_cells(stored)):
            problems.append(f"{name}: stored outputs with a cell that never ran")
    for stored in sorted(STORED.rglob("*.ipynb")):
        if stored not in expected:
            problems.append(f"{stored.relative_to(ROOT)}: stored outputs without a chapter")
    print("\n".join(problems) or f"{len(expected)} chapters in step with their stored outputs")
    return len(problems)


def in_step(stored: Path) -> bool:
    """Whether a stored notebook still holds the setup cell and the cells of its chapter."""
    chapter = chapter_path(stored)
    if not chapter.is_file():
        return False
    held = nbformat.read(stored, 4).cells
    cells = [setup_cell(), *code_of(chapter).cells]
    return [(c.id, c.source) for c in held] == [(c.id, c.source) for c in cells]


def stored_cells(stored: Path) -> list[NotebookNode]:
    """The cells of a chapter with their stored outputs."""
    return [cell for cell in nbformat.read(stored, 4).cells if cell.id != SETUP_ID]


def contents_problems() -> list[str]:
    """Pages that the contents name and that do not exist, and the reverse."""
    listed = set(re.findall(r"^\s*(?:- file|root):\s*(\S+)", (ROOT / "_toc.yml").read_text(), re.M))
    pages = {name_of(path) for path in BOOK.rglob("*.md")}
    missing = [f"_toc.yml: no page book/{name}.md" for name in sorted(listed - pages)]
    return missing + [f"book/{name}.md: not in _toc.yml" for name in sorted(pages - listed)]


def cell_problems(cells: list[NotebookNode]) -> list[str]:
    """Cells too wide or too long for the page."""
    problems = []
    for number, cell in enumerate(cells, 1):
        lines = cell.source.splitlines()
        widest = max(map(len, lines), default=0)
        if widest > CELL_WIDTH:
            problems.append(f"cell {number} is {widest} characters wide (at most {CELL_WIDTH})")
        if len(lines) > CELL_LINES and "hide-input" not in cell.metadata.get("tags", []):
            problems.append(f"cell {number} has {len(lines)} lines (at most {CELL_LINES})")
    return problems


# -------------------------------------------------------------------------------------- outputs


def merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs whose pieces of text are joined, as far as nothing that is shown lies between them.

    A kernel sends text in pieces that differ from run to run. Joining all the text of a cell, as
    nbval, nbclient and MyST-NB do, would move what is printed after a figure above it. A glued
    value shows nothing where it is glued.
    """
    result: list[NotebookNode] = []
    last: dict[str, NotebookNode] = {}  # of each stream, since something was shown
    for output in map(nbformat.from_dict, outputs):
        if output.output_type != "stream":
            result.append(output)
            if glued_name(output) is None:
                last.clear()
        elif output.name in last:
            last[output.name].text += output.text
        else:
            result.append(output)
            last[output.name] = output
    for output in result:
        if output.output_type == "stream":  # as a terminal would: what is overwritten is not seen
            output.text = re.sub(r"^.*\r(?=[^\n])", "", output.text, flags=re.M)
    return result


def glued_name(output: NotebookNode) -> str | None:
    """The name under which a value was glued; None for any other output."""
    return output.get("metadata", {}).get("scrapbook", {}).get("name")


def sequence(outputs: list[NotebookNode]) -> list[str]:
    """What a cell gave, in its order and by name: what nbval does not compare."""
    shown = []
    for output in merged(outputs):
        name = glued_name(output)
        kinds = sorted(
            kind for kind in output.get("data", {}) if kind.removeprefix(GLUED) not in FIGURES
        )
        label = output.get("name") or output.get("ename") or ", ".join(kinds) or "figure"
        shown.append(f"{name} glued as {label}" if name else f"{output.output_type} {label}")
    return shown


# ----------------------------------------------------------------------------------- execution


def execute(chapter: Path) -> tuple[NotebookNode, float]:
    """Run a chapter in a fresh kernel; the notebook and the seconds it took."""
    from nbclient import NotebookClient

    notebook, start = code_of(chapter), time.perf_counter()
    where = {"metadata": {"path": str(chapter.parent)}}
    quiet = ["--IPKernelApp.log_level=ERROR"]
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources=where,
        extra_arguments=quiet,
    ).execute(env=environment())
    for cell in notebook.cells:
        cell.outputs = merged(cell.outputs)
    return notebook, time.perf_counter() - start


def execute_all(todo: list[Path]) -> tuple[dict[Path, NotebookNode], list[Path]]:
    """Run chapters two at a time and cache them; notebooks, and the chapters that failed."""
    done: dict[Path, NotebookNode] = {}
    failed: list[Path] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = {pool.submit(execute, chapter): chapter for chapter in todo}
        for future in as_completed(running):
            chapter = running[future]
            try:
                notebook, seconds = future.result()
            except Exception as error:
                failed.append(chapter)
                print(f"  {name_of(chapter)} FAILED\n{error}", flush=True)
                continue
            done[chapter] = notebook
            cache_outputs(chapter, [cell.outputs for cell in notebook.cells])
            print(f"  {name_of(chapter)} executed in {seconds:.1f} s", flush=True)
    return done, failed


def digest_of(files: Iterable[Path]):
    """What changes when this Python, or the name or the content of a file does."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(files):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest


def open_cache():
    """The jupyter-cache that the Sphinx build reads; emptied when what the cells use has changed.

    jupyter-cache keys on the cells alone, so the package, the data, the pins and the labels that
    the ledger links to are hashed here.
    """
    from jupyter_cache import get_cache

    used = [ROOT / "constraints.txt", *ROOT.glob("cfisac/**/*.py"), *BOOK.glob("ledger/*.yml")]
    used += [path for path in BOOK.glob("results/*.*") if path.suffixes in ([".csv"], [".json"])]
    digest = digest_of(used)
    for path in sorted(BOOK.rglob("*.md")):
        labels = re.findall(r"^:label:.*|^\([\w-]+\)=", path.read_text(), re.M)
        digest.update("\n".join([name_of(path), *labels]).encode())
    mark = CACHE / "fingerprint"
    if not mark.exists() or mark.read_text() != digest.hexdigest():
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir(parents=True)
        mark.write_text(digest.hexdigest())
    cache = get_cache(CACHE)
    cache.list_cache_records()  # creates the database
    forget_old_formulas(cache)
    return cache


def forget_old_formulas(cache) -> None:
    """Drop the ledger's pages when a title or a labelled formula has changed: they show these."""
    shown = r"^# .*|^(?:`{3,}\{math\}\n:label:|\$\$)(?s:.*?)^(?:`{3,}|.*\$\$.*)$"
    digest = hashlib.sha256()
    for path in sorted(BOOK.rglob("*.md")):
        digest.update(
            "\n".join([name_of(path), *re.findall(shown, path.read_text(), re.M)]).encode()
        )
    mark = CACHE / "formulas"
    if mark.exists() and mark.read_text() == digest.hexdigest():
        return
    for page in chapters():
        if page.parent == BOOK / "ledger":
            with contextlib.suppress(KeyError):
                cache.remove_cache(cache.match_cache_notebook(cells_of(page)).pk)
    mark.write_text(digest.hexdigest())


def cache_outputs(chapter: Path, outputs: list) -> None:
    """Store what a chapter's code cells gave where the Sphinx build looks for it."""
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    notebook = cells_of(chapter)
    for number, (cell, given) in enumerate(zip(notebook.cells, outputs, strict=True), 1):
        cell.execution_count = number
        cell.outputs = merged(given)
    bundle = CacheBundleIn(notebook, str(chapter), data={"execution_seconds": 0.0})
    get_cache(CACHE).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def is_cached(cache, chapter: Path) -> bool:
    """Whether these very cells have been executed with this very package."""
    try:
        cache.match_cache_notebook(cells_of(chapter))
    except KeyError:
        return False
    return True


def outputs(names: list[str]) -> int:
    """Execute chapters (all, or those named), store their text outputs and show what changed."""
    chosen = [c for c in chapters() if not names or {c.stem, name_of(c)} & set(names)]
    if unknown := set(names) - {n for c in chosen for n in (c.stem, name_of(c))}:
        print("no such chapter:", ", ".join(sorted(unknown)), file=sys.stderr)
        return 2
    print(f"Executing {len(chosen)} chapters ...", flush=True)
    open_cache()
    done, failed = execute_all(chosen)
    for chapter, notebook in done.items():
        stored = stored_path(chapter)
        stored.parent.mkdir(parents=True, exist_ok=True)
        text = text_only(notebook)
        text.cells.insert(0, setup_cell())
        nbformat.write(text, stored)
    for stored in STORED.rglob("*.ipynb"):
        if not chapter_path(stored).exists():
            stored.unlink()
    git = ["git", "-C", str(ROOT), "--no-pager"]
    here = STORED.relative_to(ROOT).as_posix()
    subprocess.run([*git, "status", "--short", "--untracked-files=all", "--", here], check=False)
    subprocess.run([*git, "diff", "--unified=1", "--", here], check=False)
    return bool(failed)


def text_only(notebook: NotebookNode) -> NotebookNode:
    """The notebook without figures, timings and tracebacks."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            for kind in list(output.get("data", {})):
                if kind.removeprefix(GLUED) in FIGURES:
                    del output["data"][kind]
            if output.output_type == "error":
                output.traceback = []
    notebook.metadata.pop("language_info", None)
    return notebook


# -------------------------------------------------------------------------------- the HTML book


def state() -> str:
    """What the pages are built from, in one word."""
    used = [path for path in (BOOK, ROOT / "cfisac", ROOT / "tools") for path in path.rglob("*.*")]
    used += [ROOT / name for name in ("_config.yml", "_toc.yml", "constraints.txt", "CITATION.cff")]
    return digest_of(
        path for path in used if path.is_file() and path.suffix not in (".pyc", ".jsonl")
    ).hexdigest()


def build() -> int:
    """Execute what is not cached, then build the book; every warning is an error."""
    start = time.perf_counter()
    if BUILT.exists() and BUILT.read_text() == state():
        print(f"The pages are up to date. Open {(HTML / 'index.html').as_uri()}")
        return 0
    cache = open_cache()
    todo = [chapter for chapter in chapters() if not is_cached(cache, chapter)]
    if todo:
        print(f"Executing {len(todo)} chapters (the rest are cached) ...", flush=True)
        if execute_all(todo)[1]:
            print("The book was not built: a chapter failed.")
            return 1
    if not build_html():
        return 1
    address = (HTML / "index.html").as_uri()
    print(f"Built in {time.perf_counter() - start:.0f} s. Open {address}")
    return 0


def is_built() -> bool:
    """Whether the pages are there, if need be after building them."""
    return (HTML / "searchindex.js").exists() or build() == 0


def build_html() -> bool:
    """Build every page anew from cached executions; whether that went without a warning."""
    now = state()
    for stale in (HTML, BUILD / ".doctrees", BUILD / "jupyter_execute"):
        shutil.rmtree(stale, ignore_errors=True)
    vendor = BUILD / "extra" / "vendor"
    vendor.mkdir(parents=True, exist_ok=True)
    shutil.copy2(plotly_js(), vendor)
    log = BUILD / "book.log"
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(BOOK), "--path-output", str(ROOT), "-W", "--keep-going"]
    command += ["--config", str(ROOT / "_config.yml"), "--toc", str(ROOT / "_toc.yml")]
    print("Building the pages (every warning counts as an error) ...", flush=True)
    with log.open("w") as sink:
        code = call(command, stdout=sink, stderr=subprocess.STDOUT)
    unshown = []
    if HTML.exists():
        import notebooks
        import slides
        import slim

        slim.pages(HTML)
        notebooks.write_downloads()
        unshown = slides.write()
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())
    complaints = [line for line in text.splitlines() if re.search(r"WARNING|ERROR|Error:", line)]
    if "Executing notebook" in text:
        complaints.append("the build executed a chapter itself: it was not in the cache")
    complaints += unshown + outside_files() if HTML.exists() else []
    if code and not complaints:
        complaints = text.splitlines()[-25:]
    if complaints:
        print("\n".join(complaints), f"\nThe book has problems (whole log: {log}).")
    else:
        BUILT.write_text(now)
    return not complaints


def plotly_js() -> Path:
    """plotly.js as the installed plotly package ships it."""
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def outside_files() -> list[str]:
    """Scripts, styles, images and frames that a built page would fetch from another host."""
    from bs4 import BeautifulSoup

    loads = {"link": "href", **dict.fromkeys(("script", "img", "iframe", "source", "video"), "src")}
    found = []
    for page in sorted(HTML.rglob("*.html")):
        soup = BeautifulSoup(page.read_text(), "html.parser")
        for tag in soup.find_all(list(loads)):
            address = tag.get(loads[tag.name], "")
            if tag.name == "link" and not {"stylesheet", "icon", "preload"} & set(tag["rel"]):
                continue
            if re.match(r"(https?:)?//", address):
                found.append(f"{page.relative_to(HTML)}: loads the outside file {address}")
    return found


# ------------------------------------------------------------------------------------- processes


def call(command: list[str], **how) -> int:
    """Run a command from the top of the checkout, out of reach of Ctrl-C, which is ours to heed."""
    how = {"cwd": ROOT, "env": environment(), "start_new_session": True, **how}
    return subprocess.call(command, **how)


def stop_at_once(number: int, frame: object = None) -> None:
    """Kill everything that was started, say so in one line and leave as the signal would.

    Kernels, and the commands of :func:`call`, have sessions of their own; threads that wait for
    them would go on waiting. ``make`` says that it was interrupted, and needs no second line.
    """
    signal.signal(number, signal.SIG_IGN)
    for _ in range(3):  # what was just being started as well
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
    if "MAKELEVEL" not in os.environ:
        os.write(sys.stderr.fileno(), b"Stopped.\n")  # print may be what was interrupted
    os._exit(128 + number)


def heed_signals() -> None:
    """Make Ctrl-C, and a closed terminal, end the program at once, whatever it is doing."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # such as nohup's
            signal.signal(number, stop_at_once)


# ---------------------------------------------------------------------------------- command line


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; the exit code."""
    heed_signals()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("check", "build", "slides", "student"):
        commands.add_parser(name)
    commands.add_parser("outputs").add_argument("names", nargs="*")
    given = parser.parse_args(arguments)
    if given.command == "check":
        return bool(check())
    if given.command == "outputs":
        return outputs(given.names)
    if given.command == "build":
        return build()
    if not is_built():  # slides and notebooks say what the pages say
        return 1
    import notebooks
    import slides

    return notebooks.write_student() if given.command == "student" else slides.make()


if __name__ == "__main__":
    sys.exit(main())
