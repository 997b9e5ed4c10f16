"""The Monte-Carlo engine: the same digits whatever the workers, the order or the interruption."""

import importlib
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from cfisac import _parallel, montecarlo

CELLS = [{"mean": 0.0}, {"mean": 3.0}]


def normal_trial(rng, mean):
    return {"value": rng.normal(mean), "square": rng.normal(mean) ** 2}


def infinite_trial(rng, mean):
    return {"value": math.inf if rng.random() < 0.5 else mean}


def test_mean_and_standard_error_are_those_of_the_trials():
    """The streamed moments equal numpy's over the very same draws."""
    (row,) = montecarlo.run(normal_trial, [{"mean": 2.0}], 101, 7)
    draws = [
        normal_trial(np.random.default_rng(np.random.SeedSequence(7, spawn_key=(0, t))), 2.0)
        for t in range(101)
    ]
    values = np.array([draw["value"] for draw in draws])
    assert row["value"] == pytest.approx(values.mean(), rel=1e-13)
    assert row["value_se"] == pytest.approx(values.std(ddof=1) / math.sqrt(101), rel=1e-12)


def test_standard_error_covers_the_truth():
    """Over 200 experiments the error in standard errors has mean square one."""
    rows = montecarlo.run(normal_trial, [{"mean": 1.0}] * 200, 50, 3)
    scores = np.array([(row["value"] - 1) / row["value_se"] for row in rows])
    # Mean of 200 squared Student-t(49) variables: 49/47, standard error below 0.12.
    assert np.mean(scores**2) == pytest.approx(49 / 47, abs=4 * 0.12)


def test_two_workers_give_the_digits_of_one():
    one = montecarlo.run(normal_trial, CELLS, 40, 5)
    assert montecarlo.run(normal_trial, CELLS, 40, 5, workers=2) == one


def test_one_cell_alone_gives_its_digits():
    assert montecarlo.run(normal_trial, CELLS, 40, 5, only=[1]) == [
        montecarlo.run(normal_trial, CELLS, 40, 5)[1]
    ]


def test_a_dask_cluster_gives_the_digits_of_one_worker():
    """Two real processes on this machine, reached through their scheduler's address."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        rows = montecarlo.run(math_trial, CELLS, 40, 5, scheduler=cluster.scheduler_address)
    assert rows == montecarlo.run(math_trial, CELLS, 40, 5)


# Dask's workers import trials by name, and this test module is not importable there; a lambda
# is sent by value.
math_trial = lambda rng, mean: {"value": rng.normal(mean)}  # noqa: E731


def test_linear_algebra_gives_the_same_digits_on_one_core_and_on_two(tmp_path):
    """Solves that a BLAS spreads over its threads, no thread variable set: workers, then Dask.

    The same solve outside the engine differs in the last digits on some machines, not on all.
    """
    (tmp_path / "solving.py").write_text(
        "import numpy as np\n"
        "def trial(rng, size):\n"
        "    parts = rng.normal(size=(2, 2, size, size))\n"
        "    left, right = parts[0] + 1j * parts[1]\n"
        "    return {'value': np.linalg.norm(np.linalg.solve(left, right) @ right)}\n"
    )
    script = tmp_path / "main.py"
    script.write_text(
        "import solving\n"
        "from cfisac import montecarlo\n"
        "def run(**how):\n"
        "    print(montecarlo.run(solving.trial, [{'size': 128}], 8, 3, **how))\n"
        "if __name__ == '__main__':\n"
        "    run(workers=1)\n"
        "    run(workers=2)\n"
        "    from distributed import LocalCluster\n"
        "    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None,\n"
        "                      processes=False, protocol='tcp', silence_logs=50) as cluster:\n"
        "        run(scheduler=cluster.scheduler_address)\n"
    )
    pytest.importorskip("distributed")
    free = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path, env=free, check=True, capture_output=True, text=True,
    )  # fmt: skip
    alone, pair, cluster = done.stdout.splitlines()
    assert pair == alone
    assert cluster == alone


def test_threads_are_limited_until_the_last_one_leaves():
    """Batches that overlap in one process: the first to end must not set the others free."""

    def threads():
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}

    before = threads()
    with montecarlo.one_thread:
        with montecarlo.one_thread:
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == before


def test_an_infinite_trial_makes_an_infinite_mean():
    (row,) = montecarlo.run(infinite_trial, [{"mean": 1.0}], 50, 1)
    assert row["value"] == math.inf
    assert math.isnan(row["value_se"])


class Stopped(Exception):
    """Raised in a trial, as Ctrl-C would be."""


def test_a_stopped_run_resumes_without_repeating_finished_batches(tmp_path):
    journal = tmp_path / "run.jsonl"
    calls = []

    def trial(rng, mean):
        calls.append(mean)
        if len(calls) == 50:
            raise Stopped
        return {"value": rng.normal(mean)}

    with pytest.raises(Stopped):
        montecarlo.run(trial, CELLS, 40, 5, journal=journal)
    with journal.open("a") as file:
        file.write('{"cell": 1, "ba')  # a line that was being written
    resumed = montecarlo.run(trial, CELLS, 40, 5, journal=journal)
    assert len(calls) < 50 + 80 - 40, "finished batches were run again"
    assert resumed == montecarlo.run(trial, CELLS, 40, 5)


@pytest.mark.parametrize(
    ("cells", "n_trials", "seed"),
    [(CELLS, 40, 6), (CELLS, 48, 5), ([{"mean": 0.5}, {"mean": 3.0}], 40, 5)],
)
def test_a_journal_of_another_experiment_is_set_aside(cells, n_trials, seed, tmp_path):
    journal = tmp_path / "run.jsonl"
    montecarlo.run(normal_trial, CELLS, 40, 5, journal=journal)
    before = journal.read_bytes()
    with pytest.warns(UserWarning, match=r"set aside as run\.jsonl\.old"):
        rows = montecarlo.run(normal_trial, cells, n_trials, seed, journal=journal)
    assert rows == montecarlo.run(normal_trial, cells, n_trials, seed)
    assert (tmp_path / "run.jsonl.old").read_bytes() == before


def test_a_journal_of_other_code_is_set_aside(tmp_path, monkeypatch):
    """Code of the trial's own file, or of any module of the package."""
    trial_file = tmp_path / "trials.py"
    trial_file.write_text("def trial(rng, mean):\n    return {'value': mean}\n")
    monkeypatch.syspath_prepend(tmp_path)
    trial = importlib.import_module("trials").trial
    experiment = trial, CELLS, 40, 5
    before = montecarlo._fingerprint(*experiment)
    assert montecarlo._fingerprint(*experiment) == before
    trial_file.write_text("def trial(rng, mean):\n    return {'value': -mean}\n")
    edited = montecarlo._fingerprint(*experiment)
    assert edited != before

    package = tmp_path / "cfisac"
    shutil.copytree(Path(montecarlo.__file__).parent, package)
    monkeypatch.setattr(montecarlo, "__file__", str(package / "montecarlo.py"))
    assert montecarlo._fingerprint(*experiment) == edited
    with (package / "estimators" / "angle_ml.py").open("a") as file:
        file.write("# edited\n")
    assert montecarlo._fingerprint(*experiment) != edited


FAILING: list[int] = []


def row(x):
    """Numbers, words and what is nowhere; stops where it is told to."""
    if x in FAILING:
        raise KeyboardInterrupt
    return {"third": np.float64(x) / 3, "word": f"cell {x}", "none": np.nan, "n": np.int64(x)}


def test_rows_without_trials_are_kept_when_a_run_is_stopped(tmp_path):
    cells, journal = [{"x": x} for x in range(5)], tmp_path / "rows.jsonl"
    whole = montecarlo.each(row, cells)
    FAILING.append(3)
    with pytest.raises(KeyboardInterrupt):
        montecarlo.each(row, cells, journal=journal)
    FAILING[:] = [0, 1, 2]  # would stop it again if they were not taken from the journal
    try:
        again = montecarlo.each(row, cells, journal=journal)
    finally:
        FAILING.clear()
    np.testing.assert_equal(again, whole)
    assert [type(value) for value in again[4].values()] == [float, str, float, int]
    np.testing.assert_equal(montecarlo.each(row, cells, workers=2), whole)


def test_a_trial_typed_into_a_notebook_can_run(tmp_path):
    """Its source is in no file; cells may hold what JSON does not know."""
    space = {"__name__": "__main__"}
    exec("def trial(rng, mean):\n    return {'value': rng.normal(mean)}\n", space)
    cells, journal = [{"mean": np.int64(2)}], tmp_path / "run.jsonl"
    first = montecarlo.run(space["trial"], cells, 40, 5, journal=journal)
    assert montecarlo.run(space["trial"], cells, 40, 5, journal=journal) == first


def test_two_runs_do_not_share_a_journal(tmp_path):
    journal = tmp_path / "run.jsonl"

    def trial(rng, mean):
        with pytest.raises(ValueError, match="in use by another run"):
            montecarlo.run(normal_trial, CELLS, 4, 5, journal=journal)
        return {"value": mean}

    montecarlo.run(trial, CELLS[:1], 2, 5, journal=journal)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [b"[1]\n"],
        lambda lines: [b"null\n", *lines[1:]],
        lambda lines: [b"\xff\xfe\x00\n"],
        lambda lines: [lines[0], b"123\n", *lines[1:]],
        lambda lines: [lines[0], b'{"cell": 1}\n', *lines[1:]],
        lambda lines: [*lines[:4], b"\x80\n", *lines[4:]],
        lambda lines: [lines[0], lines[1].replace(b'"cell": 0', b'"cell": 9'), *lines[2:]],
        lambda lines: [lines[0], b'{"cell": 0, "batch": [0, 2], "moments": {}}\n', *lines[2:]],
        lambda lines: [lines[0][:20]],
        lambda lines: [*lines[:-1], lines[-1][:-1]],
    ],
)
def test_a_damaged_journal_costs_work_and_no_digit(damage, tmp_path):
    journal = tmp_path / "run.jsonl"
    rows = montecarlo.run(normal_trial, CELLS, 40, 5, journal=journal)
    journal.write_bytes(b"".join(damage(journal.read_bytes().splitlines(keepends=True))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a journal without its first line is a foreign one
        assert montecarlo.run(normal_trial, CELLS, 40, 5, journal=journal) == rows
    assert len(journal.read_bytes().splitlines()) == 1 + 2 * montecarlo.MAX_BATCHES


def test_memory_does_not_grow_with_the_trials():
    def peak(n_trials):
        tracemalloc.start()
        montecarlo.run(normal_trial, [{"mean": 0.0}], n_trials, 1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)  # imports
    assert peak(4000) < peak(200) + 20_000  # five bytes a trial


PATIENCE = 240  # s, many times what a busy machine takes for any step of the next test


def test_ctrl_c_keeps_what_was_finished(tmp_path):
    """SIGINT to a run with two workers: the journal holds whole batches and is used again.

    The trials of the second cell do not end before a file is there, so there is something to stop
    however fast or slow the machine is. No wait is without end, and none is for a pipe, which
    workers that outlive the run would hold open; a run that hangs says where its threads are.
    """
    journal, gate, log = (tmp_path / name for name in ("run.jsonl", "gate", "log"))
    script = tmp_path / "gated_trial.py"
    script.write_text(
        "import faulthandler, signal, time\n"
        "from pathlib import Path\n"
        "from cfisac import montecarlo\n"
        "def trial(rng, mean):\n"
        f"    while mean and not Path({str(gate)!r}).exists():\n"
        "        time.sleep(0.01)\n"
        "    return {'value': rng.normal(mean)}\n"
        "if __name__ == '__main__':\n"
        "    from gated_trial import trial\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whatever it was
        f"    faulthandler.dump_traceback_later({PATIENCE // 2}, repeat=True)\n"
        f"    montecarlo.run(trial, {CELLS!r}, 200, 5, workers=2, journal=Path({str(journal)!r}))\n"
    )

    def finished():
        return len(journal.read_text().splitlines()) - 1 if journal.exists() else 0

    def start():
        with log.open("w") as errors:
            return subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, stderr=errors)

    def code(process, what):
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f"{what} took more than {PATIENCE} s:\n{log.read_text()}")

    process, end = start(), time.monotonic() + PATIENCE
    try:
        while finished() < montecarlo.MAX_BATCHES:
            assert process.poll() is None, (
                f"ended before its first cell was done: {log.read_text()}"
            )
            assert time.monotonic() < end, f"{finished()} batches in {PATIENCE} s"
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert code(process, "stopping") != 0
    finally:
        process.kill()
        gate.touch()  # lets go of what may be waiting still
    assert finished() == montecarlo.MAX_BATCHES
    before = journal.read_bytes()
    assert code(start(), "going on") == 0, log.read_text()
    assert journal.read_bytes().startswith(before)
    assert finished() == 2 * montecarlo.MAX_BATCHES


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"n_trials": 1}, "n_trials"),
        ({"seed": -1}, "seed"),
        ({"workers": 0}, "workers"),
        ({"only": [2]}, "only"),
        ({"scheduler": "nowhere"}, "scheduler must be an address"),
        ({"scheduler": "tcp://"}, "scheduler must be an address"),
        ({"scheduler": "tcp://127.0.0.1"}, "scheduler must be an address"),
        ({"scheduler": "tcp://127.0.0.1:abc"}, "scheduler must be an address"),
        ({"scheduler": "file://127.0.0.1:80"}, "scheduler must be an address"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "scheduler"),
    ],
)
def test_bad_input_is_refused_before_any_work(arguments, name, monkeypatch):
    def trial(rng, mean):
        raise AssertionError("work was done")

    if arguments.get("scheduler", "").startswith("tcp"):
        monkeypatch.setattr(_parallel, "CONNECT_SECONDS", 1)
    with pytest.raises(ValueError, match=name):
        montecarlo.run(trial, CELLS, **({"n_trials": 4, "seed": 1} | arguments))


def test_an_estimate_is_the_mean_with_its_standard_error():
    draws = np.random.default_rng(1).normal(3.0, 2.0, size=(40, 10))
    given = montecarlo.estimate(draws)
    np.testing.assert_allclose(given.mean, draws.mean(), rtol=1e-12)
    assert given.n == 400
    # The definition by another road: the mean square difference of all pairs is twice s^2.
    pairs = np.subtract.outer(draws.ravel(), draws.ravel())
    np.testing.assert_allclose(
        given.standard_error, np.sqrt(np.sum(pairs**2) / (2 * 400 * 399) / 400), rtol=1e-12
    )
    assert f"{montecarlo.estimate([1.0, 2.0, 3.0]):.2f}" == "2.00 ± 0.58 (n = 3)"


@pytest.mark.parametrize("draws", [[], [1.0], [1.0, np.inf]])
def test_an_estimate_needs_two_finite_draws(draws):
    with pytest.raises(ValueError, match="draws"):
        montecarlo.estimate(draws)
