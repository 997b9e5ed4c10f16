"""The Monte-Carlo engine: the same digits whatever the workers, the order or the interruption."""

import importlib
import math
import shutil
import signal
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from cfisac import montecarlo

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


def test_ctrl_c_keeps_what_was_finished(tmp_path):
    """SIGINT to a run with two workers: the journal holds whole batches and is used again."""
    journal = tmp_path / "run.jsonl"
    script = tmp_path / "slow_trial.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from cfisac import montecarlo\n"
        "def trial(rng, mean):\n"
        "    time.sleep(0.02)\n"
        "    return {'value': rng.normal(mean)}\n"
        "if __name__ == '__main__':\n"
        "    from slow_trial import trial\n"
        f"    montecarlo.run(trial, {CELLS!r}, 200, 5, workers=2, journal=Path({str(journal)!r}))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        if journal.exists() and len(journal.read_text().splitlines()) > 8:
            break
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    finished = len(journal.read_text().splitlines()) - 1
    assert 8 <= finished < 2 * montecarlo.MAX_BATCHES
    before = journal.read_bytes()
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True, capture_output=True)
    assert journal.read_bytes().startswith(before[: before.rindex(b"\n") + 1])


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
        monkeypatch.setattr(montecarlo, "CONNECT_SECONDS", 1)
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
