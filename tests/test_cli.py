"""The command line: what it prints, and one-line errors with exit code 2."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cfisac import cli, studies


def test_list_names_every_study(capsys):
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(studies.all_studies())


def test_run_prints_the_path_and_the_assumptions(capsys, tmp_path):
    command = ["run", "zhang-fig2", "--fidelity", "smoke", "--workers", "1"]
    assert cli.main([*command, "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(tmp_path / "zhang-fig2.smoke.csv")
    assert "assumed path loss" in printed.err


def test_run_ends_with_the_first_rows_and_a_picture(capsys, tmp_path):
    """On the other stream: what a script reads is the path alone."""
    command = ["run", "fan_journal-table5", "--fidelity", "smoke", "--workers", "1"]
    assert cli.main([*command, "--results", str(tmp_path)]) == 0
    picture = tmp_path / "fan_journal-table5.smoke.png"
    *_, names, units, ofdm, otfs, more, blank, last = capsys.readouterr().err.splitlines()
    assert names.split()[0] == "waveform"
    assert "rad²/s²" in units
    assert (ofdm.split()[0], otfs.split()[0]) == ("OFDM", "OTFS")
    assert (more, blank, last) == ("(2 more columns)", "", f"picture: {picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_verify_passes_for_a_stored_result(capsys):
    assert cli.main(["verify", "zhang-fig2", "--rows", "1", "--workers", "1"]) == 0
    found = re.fullmatch(
        r"zhang-fig2: verified, 1 of 20 rows from their stored batches, 1 of these anew, "
        r"largest relative difference (.*)\n",
        capsys.readouterr().out,
    )
    assert float(found[1]) < studies.TOLERANCE


def test_verify_can_be_asked_for_everything(capsys):
    assert cli.main(["verify", "fan_journal-table5", "--rows", "all", "--batches", "all"]) == 0
    assert ": verified, 2 of 2 rows anew" in capsys.readouterr().out


def test_verify_fails_for_a_damaged_result(capsys, tmp_path):
    for name in ("zhang-fig2.csv", "zhang-fig2.json"):
        shutil.copy(studies.RESULTS / name, tmp_path)
    path = tmp_path / "zhang-fig2.csv"
    lines = path.read_text().splitlines()
    antennas, pilots, mean, error = lines[5].split(",")
    lines[5] = ",".join([antennas, pilots, repr(1.5 * float(mean)), error])
    path.write_text("\n".join(lines) + "\n")
    command = ["verify", "zhang-fig2", "--workers", "1", "--results", str(tmp_path)]
    assert cli.main(command) == 1
    printed = capsys.readouterr().out
    assert "zhang-fig2: FAILED" in printed
    assert "row 5: mean_angle_crlb_rad2" in printed
    assert "(50.00%)" in printed


def test_verify_names_a_damaged_provenance_and_goes_on(capsys, tmp_path):
    for path in studies.RESULTS.glob("zhang-fig?.*"):
        shutil.copy(path, tmp_path)
    (tmp_path / "zhang-fig2.json").write_text("")
    command = ["verify", "zhang-fig2", "zhang-fig3", "--rows", "0", "--results", str(tmp_path)]
    assert cli.main(command) == 1
    first, problem, second = capsys.readouterr().out.splitlines()
    assert (first, second) == ("zhang-fig2: FAILED", "zhang-fig3: verified")
    assert "zhang-fig2.json" in problem


WORKER_KILLED = """
import os, signal, sys
from pathlib import Path
from cfisac import cli, montecarlo

add, seen = montecarlo._Journal.add, []

def add_and_count(journal, *batch):
    add(journal, *batch)
    seen.append(batch)
    if len(seen) == 4:
        for child in Path("/proc/thread-self/children").read_text().split():
            if "LokyProcess" in Path(f"/proc/{child}/cmdline").read_text():
                os.kill(int(child), signal.SIGKILL)
                break

montecarlo._Journal.add = add_and_count
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the worker through /proc")
def test_a_killed_worker_is_one_line_and_nothing_is_lost(tmp_path):
    """As the system does when memory runs out, here after four batches."""
    command = ["run", "angle-threshold", "--workers", "2", "--fidelity", "book"]
    done = subprocess.run(
        [sys.executable, "-c", WORKER_KILLED, *command, "--results", str(tmp_path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    said = [line for line in done.stderr.splitlines() if line.startswith("cfisac: ")]
    assert len(said) == 1
    assert "a worker was killed" in said[0]
    assert "Traceback" not in done.stderr
    assert len(lines(tmp_path / "angle-threshold.book.partial.jsonl")) >= 1 + 4


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_outside_a_checkout_tables_are_kept_where_one_works(tmp_path):
    package = Path(studies.__file__).parents[1]
    shutil.copytree(package, tmp_path / "site" / "cfisac")
    here = tmp_path / "here"
    here.mkdir()

    def cfisac(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "cfisac.cli", *arguments],
            cwd=here, env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
            capture_output=True, text=True,
        )  # fmt: skip

    assert "zhang-fig2" in cfisac("list").stdout
    run = cfisac("run", "zhang-fig2", "--fidelity", "smoke", "--workers", "1")
    assert run.stdout.strip() == str(Path("results") / "zhang-fig2.smoke.csv")
    assert (here / "results" / "zhang-fig2.smoke.csv").exists()
    missing = cfisac("verify", "zhang-fig2")
    assert missing.returncode == 1
    assert "zhang-fig2.csv: missing" in missing.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["run", "zhang-fig9"], "study must be one of zhang-fig2"),
        (["run", "zhang-fig2", "--fidelity", "best"], "fidelity must be one of smoke"),
        (["run", "zhang-fig2", "--workers", "0"], "workers must be a whole number >= 1"),
        (["run", "zhang-fig2", "--workers", "two"], "--workers"),
        (["run", "zhang-fig2", "--scheduler", "here"], "scheduler must be an address"),
        (["run", "zhang-fig2", "--scheduler", "tcp://127.0.0.1:abc"], "scheduler must be an addr"),
        (["run", "zhang-fig2", "--results", __file__], "File exists"),
        (["verify", "zhang-fig9"], "study must be one of"),
        (["verify", "--rows", "-1"], "rows must be a whole number >= 0"),
        (["verify", "--rows", "some"], "--rows: must be a whole number or all"),
        (["verify", "--batches", "-1"], "batches must be a whole number >= 0"),
        (["verify", "--rows=--2"], "--rows: must be a whole number or all"),
        (["verify", "--share", "2"], "--share: must be like 1/2"),
        (["verify", "--share", "3/2"], "share must be (k, n) with k <= n"),
        (["verify", "--share", "0/2"], "share must be a whole number >= 1"),
        (["dance"], "invalid choice"),
        ([], "required"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments, part, tmp_path, capsys):
    where = ["--results", str(tmp_path)] if arguments[:1] in (["run"], ["verify"]) else []
    if "--results" in arguments:
        where = []
    try:
        code = cli.main([*arguments, *where])
    except SystemExit as end:  # of the parser
        code = end.code
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    (message,) = said.err.splitlines()
    assert part in message
    assert message.startswith("cfisac: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["verify", "zhang-fig9"], ["dance"]])
def test_the_command_ends_with_that_line_and_code(arguments):
    command = [sys.executable, "-m", "cfisac.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("cfisac: ")
