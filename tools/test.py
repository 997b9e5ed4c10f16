"""Run every check of the project, stage by stage; the last line says `N passed, N failed`.

A stage that fails does not stop the others, except that the book is not built, nor its pages
tested, from chapters that did not pass.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import book

PYTHON = [sys.executable, "-m"]
REPORTS = book.BUILD / "reports"


@dataclass
class Result:
    """What a stage counted."""

    passed: int = 0
    failed: int = 0
    skipped: Counter[str] | None = None
    seconds: float = 0.0


def command(*arguments: str) -> Result:
    """One check: a command that succeeds."""
    code = subprocess.call([*PYTHON, *arguments], cwd=book.ROOT, env=book.environment())
    return Result(int(code == 0), int(code != 0))


def pytest(name: str, *arguments: str) -> Result:
    """Many checks: pytest, counted from its report."""
    report = REPORTS / f"{name}.xml"
    quiet = ["-q", "--color=no", "-p", "no:cacheprovider", f"--junitxml={report}"]
    code = subprocess.call(
        [*PYTHON, "pytest", *quiet, *arguments], cwd=book.ROOT, env=book.environment()
    )
    if not report.exists():
        return Result(failed=1)
    suite = next(ElementTree.parse(report).iter("testsuite"))
    total, bad, skipped = (
        sum(int(suite.get(key, 0)) for key in keys)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    reasons = Counter(tag.get("message", "") for tag in suite.iter("skipped"))
    if code and not bad:  # nothing collected, interrupted, or a broken conftest
        bad += 1
        total += 1
    return Result(total - bad - skipped, bad, reasons)


def references() -> Result:
    """Chapters, contents and stored outputs agree."""
    problems = book.check()
    return Result(int(not problems), problems)


def chapters() -> Result:
    """Execute every chapter once: nbval compares, conftest.py keeps the outputs for the book."""
    book.open_cache()
    return pytest(
        "nbval",
        "tests/notebooks",
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with=tests/notebooks/sanitize.cfg",
        "--nbval-cell-timeout=120",
        *("-n", "2", "--dist", "loadfile"),
    )


def pages() -> Result:
    """The book, built from nbval's executions."""
    built = book.build_html()
    return Result(int(built), int(not built))


def run(title: str, stage: Callable[[], Result]) -> Result:
    """Announce a stage, run it and say how it went."""
    print(f"\n== {title}", flush=True)
    start = time.perf_counter()
    result = stage()
    result.seconds = time.perf_counter() - start
    for reason, count in (result.skipped or {}).items():
        print(f"skipped {count}: {reason}")
    return result


def main() -> int:
    """Run all stages, sum up; the exit code."""
    start = time.perf_counter()
    for stale in (book.CACHE, book.HTML, REPORTS):
        shutil.rmtree(stale, ignore_errors=True)
    REPORTS.mkdir(parents=True)

    stages = {
        "style (ruff check)": lambda: command("ruff", "check", "--quiet", "."),
        "format (ruff format)": lambda: command("ruff", "format", "--check", "--quiet", "."),
        "types (mypy --strict)": lambda: command("mypy"),
        "package, ledger and studies (pytest)": lambda: pytest(
            "package", "tests", "--ignore=tests/browser", "-n", "2", "--benchmark-disable"
        ),
        "chapters and stored outputs in step": references,
        "chapters (nbval, executed once)": chapters,
    }
    results = {title: run(title, stage) for title, stage in stages.items()}
    if any(results[title].failed for title in list(stages)[-2:]):
        print("\nA chapter failed or is out of step: the book is not built, nor its pages tested.")
        results["book"] = Result(failed=1)
    else:
        results["book"] = run("book (built from those executions)", pages)
        if book.HTML.exists():
            title = "built pages (browser)"
            results[title] = run(title, lambda: pytest("browser", "tests/browser"))

    print("\n== summary")
    for title, result in results.items():
        skipped = sum((result.skipped or {}).values())
        counts = f"{result.passed} passed, {result.failed} failed"
        counts += f", {skipped} skipped" if skipped else ""
        print(f"{result.seconds:6.1f} s  {title}: {counts}")
    print(f"{time.perf_counter() - start:6.1f} s  in all")
    passed, failed = (sum(getattr(r, k) for r in results.values()) for k in ("passed", "failed"))
    skipped = sum(sum((r.skipped or {}).values()) for r in results.values())
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
