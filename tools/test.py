"""Run every check of the project, stage by stage; the last line says `N passed, N failed`.

python tools/test.py            all checks; chapters and stored tables under two kernels (each row
                                of a long table under one of them, drawn anew which; all rows of
                                the others under the first, ten under the second)
python tools/test.py portable   package, chapters and stored tables under every kernel there is

A stage that fails does not stop the others, except that the book is not built, nor its pages
tested, from chapters that did not pass. A kernel is the set of instructions that OpenBLAS and
NumPy's own loops compute with: each rounds differently, and the book must not show it.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":  # Ctrl-C while the rest is imported: the end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import floors

import book

PYTHON = [sys.executable, "-m"]
REPORTS = book.BUILD / "reports"
LONG = (  # to verify
    *("modes-gap", "position-threshold", "fan_conf-fig2", "liu-ablation", "delay-threshold"),
    *("liu-fig9", "fan_conf-fig3", "detection-gain", "liu-fig10", "peb-maps"),
)
ROWS = "10"  # of a table under the other kernel, drawn anew every time
SETTINGS = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
PROBE = """
import json, numpy, scipy.linalg, threadpoolctl
blas = [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"]
found = numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
print(json.dumps([sorted({i.get("architecture", "unknown") for i in blas}), found]))
"""


@dataclass
class Result:
    """What a stage counted, and what did not come out as it should."""

    passed: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    remark: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        skipped = self.skipped.total()
        text = f"{self.passed} passed, {self.failed} failed"
        text += f", {skipped} skipped" if skipped else ""
        return text + (f"; {self.remark}" if self.remark else "")


@dataclass(frozen=True)
class Kernel:
    """Settings under which to compute, and what must then be running; empty: whatever there is.

    OpenBLAS has one set of kernels for Prescott and its elders, and names it after the eldest.
    """

    name: str
    settings: Mapping[str, str]
    blas: str = ""
    loops: bool = True

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a check: only these settings choose a kernel."""
        kept = {k: v for k, v in book.environment().items() if k not in SETTINGS}
        return kept | dict(self.settings)

    def running(self) -> tuple[list[str], list[str]]:
        """OpenBLAS's kernels and NumPy's extensions in a process with this environment."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROBE],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        blas, loops = json.loads(done.stdout)
        return blas, loops

    def is_met_by(self, blas: list[str], loops: list[str]) -> bool:
        """Whether what runs is what was asked for."""
        wanted = {self.blas.lower(), "katmai"} if self.blas == "Prescott" else {self.blas.lower()}
        right = not self.blas or (bool(blas) and wanted >= {name.lower() for name in blas})
        return right and (self.loops or not loops)

    def check(self) -> Result:
        """Say what runs, and whether it is what was asked for."""
        blas, loops = self.running()
        print(f"{self.name}: OpenBLAS {describe(blas)}, NumPy's loops {describe(loops)}")
        if not self.is_met_by(blas, loops):
            return Result(failed=1, differences=["what runs is not what was asked for"])
        return Result(passed=1)


def describe(names: list[str]) -> str:
    """A list in words."""
    return " ".join(names) or "none"


def as_it_is() -> Kernel:
    """What the environment of this program sets, if anything."""
    set_here = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    return Kernel("as it is", set_here, blas=set_here.get("OPENBLAS_CORETYPE", ""))


def kernels(machine: str, blas: list[str], loops: list[str]) -> list[Kernel]:
    """The kernels to compare, the one of this machine first and the plainest one last.

    Parameters
    ----------
    machine
        As :func:`platform.machine` names it.
    blas, loops
        What runs when nothing is set.
    """
    chosen = [Kernel("none set", {})]
    if not blas or "unknown" in blas:  # no OpenBLAS: nothing to choose
        return chosen
    names = ["ARMV8"]
    if machine.lower() in ("x86_64", "amd64"):
        haswell = {"AVX2", "X86_V3"} & set(loops)
        skylake = {"AVX512_SKX", "X86_V4"} & set(loops)
        names = ["Haswell"] * bool(haswell) + ["SkylakeX"] * bool(skylake) + ["Prescott"]
    chosen += [Kernel(name, {"OPENBLAS_CORETYPE": name}, blas=name) for name in names]
    plain = {"OPENBLAS_CORETYPE": names[-1], "NPY_DISABLE_CPU_FEATURES": " ".join(loops)}
    chosen[-1] = Kernel(f"{names[-1]}, plain loops", plain, blas=names[-1], loops=False)
    return chosen


def known_kernels() -> list[Kernel]:
    """The kernels to compare on this machine."""
    return kernels(platform.machine(), *Kernel("none set", {}).running())


# ---------------------------------------------------------------------------------------- stages


def command(*arguments: str) -> Result:
    """One check: a command that succeeds."""
    code = book.call([*PYTHON, *arguments])
    return Result(int(code == 0), int(code != 0))


def pytest(name: str, *arguments: str, kernel: Kernel | None = None) -> Result:
    """Many checks: pytest, counted from its report."""
    report = REPORTS / f"{name}.xml"
    quiet = ["-q", "--color=no", "-p", "no:cacheprovider", f"--junitxml={report}"]
    environment = (kernel or as_it_is()).environment
    code = book.call([*PYTHON, "pytest", *quiet, *arguments], env=environment)
    if not report.exists():
        return Result(failed=1)
    suite = next(ElementTree.parse(report).iter("testsuite"))
    total, bad, skipped = (
        sum(int(suite.get(key, 0)) for key in keys)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    reasons = Counter(tag.get("message", "") for tag in suite.iter("skipped"))
    differences = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    differences.sort(key=floors.floor)  # the first is the one to look at
    if code and not bad:  # nothing collected, interrupted, or a broken conftest
        bad += 1
        total += 1
    return Result(total - bad - skipped, bad, reasons, differences)


def references() -> Result:
    """Chapters, contents and stored outputs agree."""
    problems = book.check()
    return Result(int(not problems), problems)


def package(kernel: Kernel | None = None) -> Result:
    """The tests of the package, the ledger and the studies.

    Without those that compute three rows of each stored table: another stage computes all.
    """
    return pytest(
        "package",
        *("tests", "--ignore=tests/browser", "-n", "2", "--benchmark-disable"),
        "--deselect=tests/studies/test_studies.py::test_stored_table_verifies",
        kernel=kernel,
    )


def chapters(*arguments: str, kernel: Kernel | None = None) -> Result:
    """Execute every chapter once: nbval compares with the stored outputs."""
    return pytest(
        "nbval",
        "tests/notebooks",
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with=tests/notebooks/sanitize.cfg",
        "--nbval-cell-timeout=600",
        *("-n", "2", "--dist", "loadfile"),
        *arguments,
        kernel=kernel,
    )


def chapters_for_the_book() -> Result:
    """The same, and conftest.py keeps the outputs for the book."""
    book.open_cache()
    return chapters("--keep-outputs")


def tables(
    kernel: Kernel | None = None,
    rows: str = "all",
    share: str = "1/1",
    beside: Callable[[], object] = lambda: None,
) -> Result:
    """Rows of every stored table, computed again: on two cores, the long studies first.

    ``rows`` of those that do not take long; of the long ones the rows of that share. Much of what
    a study computes is not work for several. What is to be done ``beside`` them, on one core,
    comes first.
    """
    environment = (kernel or as_it_is()).environment
    command = [*PYTHON, "cfisac.cli", "list"]
    listed = subprocess.run(
        command, cwd=book.ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    known = [line.split()[0] for line in listed.stdout.splitlines()]
    if listed.returncode or not known:
        return Result(failed=1, differences=["cfisac list names no studies"])
    names = [name for name in known if name not in LONG]
    tasks = [([name], "--rows", "all", "--share", share) for name in LONG if name in known]
    tasks += [(some, "--rows", rows) for some in (names[start::4] for start in range(4)) if some]
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(beside)
        parts = list(pool.map(lambda task: _verify(*task, environment=environment), tasks))
        other.result()
    said = [line for lines, _ in parts for line in lines]
    return verified(said, max(abs(code) for _, code in parts))


def _verify(
    names: list[str], *options: str, environment: Mapping[str, str]
) -> tuple[list[str], int]:
    """What ``cfisac verify`` says of some studies, and its exit code."""
    process = subprocess.Popen(
        [*PYTHON, "cfisac.cli", "verify", *names, *options, "--workers", "1"],
        cwd=book.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said = []
    for line in process.stdout or ():
        print(line, end="", flush=True)
        said.append(line.rstrip())
    return said, process.wait()


def verified(said: list[str], code: int) -> Result:
    """What ``cfisac verify`` counted, from its lines and its exit code."""
    studies = [line for line in said if line and not line.startswith(" ")]
    failed = sum("FAILED" in line for line in studies)
    found = re.findall(r"relative difference ([\d.e+-]+)", " ".join(studies))
    remark = f"largest relative difference {max(map(float, found)):.1g}" if found else ""
    if code and not failed:
        return Result(len(studies), 1, differences=[f"cfisac verify ends with code {code}"])
    differences = [line.strip() for line in said if line.startswith(" ") or "FAILED" in line]
    return Result(len(studies) - failed, failed, Counter(), differences, remark)


def pages() -> Result:
    """The book, built from nbval's executions."""
    built = book.build_html()
    return Result(int(built), int(not built))


def not_built() -> Result:
    """A chapter failed or is out of step."""
    print("The book is not built, nor its pages tested: see the chapters.")
    return Result(failed=1)


def in_browser() -> Result:
    """The built pages in a browser; all the questions about one page go to one worker."""
    return pytest("browser", "tests/browser", "-n", "2", "--dist", "loadgroup")


def run(title: str, stage: Callable[[], Result]) -> Result:
    """Announce a stage, run it and say how it went."""
    print(f"\n== {title}", flush=True)
    start = time.perf_counter()
    result = stage()
    result.seconds = time.perf_counter() - start
    for reason, count in result.skipped.items():
        print(f"skipped {count}: {reason}")
    return result


def last_line(results: list[Result]) -> int:
    """Sum up; the exit code."""
    failed = sum(result.failed for result in results)
    skipped = sum((result.skipped for result in results), Counter[str]())
    print(Result(sum(result.passed for result in results), failed, skipped))
    return failed > 0


# ------------------------------------------------------------------------------------ two programs


def test() -> int:
    """Run all stages, sum up; the exit code."""
    start = time.perf_counter()
    for stale in (book.CACHE, book.HTML, REPORTS):
        shutil.rmtree(stale, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    known = known_kernels()
    if known[-1].settings == as_it_is().settings:  # asked for the plainest: compare with the usual
        known.reverse()
    other = known[-1]

    two = other.settings != as_it_is().settings
    first, second = random.sample(("1/2", "2/2"), 2) if two else ("1/1", "")
    gate = ("chapters and stored outputs in step", "chapters (nbval, executed once)")
    stages = {
        "kernel": as_it_is().check,
        "style (ruff check)": lambda: command("ruff", "check", "--quiet", "."),
        "format (ruff format)": lambda: command("ruff", "format", "--check", "--quiet", "."),
        "package, ledger and studies (pytest)": package,
        gate[0]: references,
        gate[1]: chapters_for_the_book,
    }
    results = {title: run(title, stage) for title, stage in stages.items()}
    sound = not any(results[title].failed for title in gate)

    def on_one_core() -> None:
        for title, stage in {
            "book (built from those executions)": pages if sound else not_built,
            "types (mypy --strict)": lambda: command("mypy"),
        }.items():
            results[title] = run(title, stage)

    title = "stored tables (cfisac verify)"
    results[title] = run(title, lambda: tables(share=first, beside=on_one_core))
    if sound and book.HTML.exists():
        title = "built pages (browser)"
        results[title] = run(title, in_browser)
    if two:
        for title, stage in {
            "other kernel": other.check,
            f"chapters under {other.name}": lambda: chapters(kernel=other),
            f"stored tables under {other.name}": lambda: tables(other, ROWS, second),
        }.items():
            results[title] = run(title, stage)

    print("\n== summary")
    for title, result in results.items():
        print(f"{result.seconds:6.1f} s  {title}: {result}")
    print(f"{time.perf_counter() - start:6.1f} s  in all")
    return last_line(list(results.values()))


def portable() -> int:
    """Run what computes under every kernel, and say what differs; the exit code."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    stages = {
        "kernel": Kernel.check,
        "package": package,
        "chapters": lambda kernel: chapters(kernel=kernel),
        "stored tables": tables,
    }
    results = {
        (kernel.name, title): run(f"{title}, {kernel.name}", lambda k=kernel, s=stage: s(k))
        for kernel in known_kernels()
        for title, stage in stages.items()
    }
    print("\n== summary")
    for (kernel, title), result in results.items():
        print(f"{result.seconds:6.1f} s  {kernel:24s} {title:14s} {result}")
    print("\n== what differs")
    for name in dict.fromkeys(kernel for kernel, _ in results):
        found = [
            f"{title}: {difference}"
            for (kernel, title), result in results.items()
            if kernel == name
            for difference in result.differences or ["no more is known"] * result.failed
        ]
        print(f"{name}:", *(found or ["nothing"]), sep="\n  " if found else " ")
    return last_line(list(results.values()))


def main() -> int:
    """Run what was asked for; the exit code."""
    book.heed_signals()
    return portable() if sys.argv[1:] == ["portable"] else test()


if __name__ == "__main__":
    sys.exit(main())
