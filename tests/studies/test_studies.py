"""Studies: declared, stored with provenance, verified, resumed to the same bytes."""

import json
import random
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from cfisac import studies

STUDIES = list(studies.all_studies())


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """One table of smoke fidelity, run once."""
    folder = tmp_path_factory.mktemp("results")
    return studies.run("zhang-fig3", "smoke", results=folder)


@pytest.fixture
def table(smoke, tmp_path):
    """A copy that a test may damage."""
    for path in (smoke, smoke.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    return tmp_path / smoke.name


@pytest.mark.parametrize("study_id", STUDIES)
def test_stored_table_verifies(study_id):
    """Every line is the one that was written, and a part of three random rows comes out anew."""
    study = studies.get(study_id)
    found = studies.verify(studies.table_path(study, "paper"))
    assert found.problems == []
    assert found.n_rows == min(3, len(study.cells))
    assert found.n_batches == (0 if study.trial is None else found.n_rows)
    assert found.largest < studies.TOLERANCE


@pytest.mark.parametrize("study_id", STUDIES)
def test_provenance_says_how_the_table_was_made(study_id):
    study = studies.get(study_id)
    path = studies.table_path(study, "paper").with_suffix(".json")
    provenance = json.loads(path.read_text())
    assert provenance["fidelity"] == "paper"
    assert provenance["n_trials"] == study.n_trials["paper"]
    assert {"cfisac", "python", "numpy", "seconds", "seed", "assumptions"} <= set(provenance)
    table = studies.stored(study_id)
    assert len(table) == len(study.cells)
    assert bool(provenance["simulated"]) == (study.trial is not None)
    for column in provenance["simulated"]:
        finite = np.isfinite(table[column])
        assert (table[f"{column}_se"][finite] >= 0).all(), f"{column} has no standard error"


def test_a_fresh_table_verifies(table):
    found = studies.verify(table, n_rows=4, n_batches=2)
    assert (found.problems, found.n_rows, found.n_batches) == ([], 4, 8)
    every = studies.verify(table, None, n_batches=None, workers=2)
    n_trials = studies.get("zhang-fig3").n_trials["smoke"]
    assert (every.problems, every.n_rows, every.n_batches) == ([], 41, 41 * n_trials)


def test_shares_of_a_table_are_the_whole_of_it(table):
    lines = table.read_text().splitlines()
    for row in (3, 4):
        lines[row] = ",".join([*lines[row].split(",")[:-2], "1.5", "0.1"])
    table.write_text("\n".join(lines) + "\n")
    found = [studies.verify(table, None, share=(part, 3)) for part in (1, 2, 3)]
    assert [each.n_rows for each in found] == [14, 14, 13]
    assert [len(each.problems) > 0 for each in found] == [True, False, True]
    assert "row 4:" in found[0].problems[0]
    assert "row 3:" in found[2].problems[0]
    for share in ((3, 2), (0, 2), (1, 2, 3), 2, "12", (1, 1.5)):
        with pytest.raises(ValueError, match="share must be"):
            studies.verify(table, share=share)


def test_verify_names_the_damaged_row_and_by_how_much(table):
    lines = table.read_text().splitlines()
    cells = lines[3].split(",")
    cells[2] = repr(2 * float(cells[2]))
    table.write_text("\n".join([*lines[:3], ",".join(cells), *lines[4:]]) + "\n")
    (problem,) = studies.verify(table).problems
    assert "row 3: network_crlb_rad2" in problem
    assert "(100.00%)" in problem
    assert problem.endswith(": changed result")


@pytest.mark.parametrize(
    ("errors", "kind"), [(1e-9, None), (0.5, "within Monte-Carlo error"), (50, "changed result")]
)
def test_verify_tells_rounding_from_other_draws_from_another_result(table, errors, kind):
    """A mean moved by so many of its standard errors, in the table and in what it is made of."""
    found = studies.verify(table, n_rows=0)
    row = pd.read_csv(table).iloc[2]
    found.compare("x", row.mean_ap_crlb_rad2 + errors * row.mean_ap_crlb_rad2_se,
                  row.mean_ap_crlb_rad2, row.mean_ap_crlb_rad2_se)  # fmt: skip
    assert len(found.problems) == (kind is not None)
    assert all(kind in problem for problem in found.problems)


def test_verify_catches_forged_batches(table):
    """Row, digest and batches agree with each other, not with the study."""
    path = table.with_suffix(".json")
    provenance = json.loads(path.read_text())
    lines = table.read_text().splitlines()
    for row, batches in enumerate(provenance["batches"], start=1):
        for batch in batches:
            batch[2] *= 1.5
            batch[3] *= 1.5**2
        cells = lines[row].split(",")
        cells[4:6] = (repr(1.5 * float(cell)) for cell in cells[4:6])
        lines[row] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n")
    provenance["rows_sha256"] = [studies._digest(line) for line in lines]
    path.write_text(json.dumps(provenance))
    problems = studies.verify(table, n_rows=2).problems
    assert len(problems) == 2
    assert all("mean_ap_crlb_rad2" in problem and "batch" in problem for problem in problems)


def test_verify_catches_a_forged_digest(table):
    """Somebody who changes the digest as well is caught by the recomputation."""
    lines = table.read_text().splitlines()
    lines[1:] = [line.replace(",", ",1", 2).replace(",1", ",", 1) for line in lines[1:]]
    table.write_text("\n".join(lines) + "\n")
    path = table.with_suffix(".json")
    provenance = json.loads(path.read_text())
    provenance["rows_sha256"] = [studies._digest(line) for line in lines]
    path.write_text(json.dumps(provenance))
    assert len(studies.verify(table, n_rows=2, rng=random.Random(1)).problems) >= 2


def test_verify_notices_text_that_means_the_same_number(table):
    lines = table.read_text().splitlines()
    lines[2] += " "
    table.write_text("\n".join(lines) + "\n")
    (problem,) = studies.verify(table, n_rows=0).problems
    assert "row 2: its text was changed" in problem


def test_verify_notices_missing_rows_columns_files_and_seeds(table):
    text = table.read_text()
    table.write_text(text[: text.rstrip().rindex("\n") + 1])
    assert "rows" in studies.verify(table).problems[0]
    table.write_text(text.replace("n_aps", "aps", 1))
    assert "header" in studies.verify(table).problems[0]
    table.write_text(text)
    path = table.with_suffix(".json")
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    assert "seed is 4" in studies.verify(table).problems[0]
    path.unlink()
    assert "missing" in studies.verify(table).problems[0]


def test_verify_is_not_fooled_by_another_study_or_fidelity(table):
    """A table under another's name: its rows are right, but not what the name promises."""
    for name in ("zhang-fig2.smoke", "zhang-fig3"):
        for kind in (".csv", ".json"):
            shutil.copy(table.with_suffix(kind), table.with_name(name + kind))
        (problem,) = studies.verify(table.with_name(name + ".csv")).problems
        assert "its provenance is of zhang-fig3 at fidelity smoke" in problem


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"study": "x"}', b"\xff\xfe"])
def test_verify_reports_a_damaged_provenance(table, text):
    path = table.with_suffix(".json")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (problem,) = studies.verify(table).problems
    assert problem.startswith("zhang-fig3.smoke.json: is no provenance")


@pytest.mark.parametrize(
    "damage",
    [
        lambda batches: batches[:-1],
        lambda batches: [batches[0][:-1], *batches[1:]],
        lambda batches: [[batches[0][0][:-1], *batches[0][1:]], *batches[1:]],
        lambda batches: [["x"], *batches[1:]],
        lambda batches: [],
    ],
)
def test_verify_reports_damaged_batches(table, damage):
    path = table.with_suffix(".json")
    provenance = json.loads(path.read_text())
    provenance["batches"] = damage(provenance["batches"])
    path.write_text(json.dumps(provenance))
    (problem,) = studies.verify(table).problems
    assert problem.startswith("zhang-fig3.smoke.json: is no provenance")


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda line: line + b",1", "has 9 cells under 8 columns"),
        (lambda line: b"", "has 0 cells under 8 columns"),
        (lambda line: line.replace(b"grid", b"gr\xffid"), "deployment is 'cell-free gr"),
        (lambda line: b",".join([*line.split(b",")[:2], b"oops", *line.split(b",")[3:]]), "'oops'"),
        (lambda line: line.rsplit(b",", 2)[0] + b",,", "median_peb_m"),
    ],
)
def test_verify_blames_the_damaged_row_alone(table, damage, found):
    lines = table.read_bytes().splitlines()
    lines[3] = damage(lines[3])
    table.write_bytes(b"\n".join(lines) + b"\n")
    problems = studies.verify(table, n_rows=len(lines)).problems
    assert all("row 3: " in problem for problem in problems)
    assert found in problems[0]


def test_a_lower_fidelity_does_not_overwrite_the_paper_table(smoke):
    assert smoke.name == "zhang-fig3.smoke.csv"


def test_two_workers_write_the_same_bytes(smoke, tmp_path):
    again = studies.run("zhang-fig3", "smoke", results=tmp_path, workers=2)
    assert again.read_bytes() == smoke.read_bytes()


INTERRUPTED = """
import os, signal, sys
from cfisac import cli, montecarlo

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where it is ignored
add, seen = montecarlo._Journal.add, []

def add_and_count(journal, *batch):
    add(journal, *batch)
    seen.append(batch)
    if len(seen) == 20:
        os.kill(os.getpid(), signal.SIGINT)

montecarlo._Journal.add = add_and_count
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path):
    """Ctrl-C after 20 batches of `cfisac run angle-threshold`, then the same command again."""
    command = ["run", "angle-threshold", "--fidelity", "smoke", "--workers", "1", "--results"]
    whole = [sys.executable, "-m", "cfisac.cli", *command]
    subprocess.run([*whole, str(tmp_path / "whole")], check=True, capture_output=True)
    cut = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *command, str(tmp_path / "cut")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert cut.returncode == 130
    assert "run again to go on" in cut.stderr
    journal = tmp_path / "cut" / "angle-threshold.smoke.partial.jsonl"
    assert 1 + 20 <= len(journal.read_text().splitlines()) <= 1 + 21

    subprocess.run([*whole, str(tmp_path / "cut")], check=True, capture_output=True)
    assert not journal.exists()
    name = "angle-threshold.smoke.csv"
    assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_study_that_draws_nothing_has_no_standard_errors(tmp_path):
    path = studies.run("peb-maps", "smoke", results=tmp_path)
    table = pd.read_csv(path)
    assert list(table.columns) == ["deployment", "x_m", "y_m", "peb_m"]
    assert studies.verify(path).problems == []


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("zhang-fig9",), "study"),
        (("zhang-fig2", "perfect"), "fidelity"),
    ],
)
def test_bad_input(arguments, name, tmp_path):
    with pytest.raises(ValueError, match=f"{name} must be one of"):
        studies.run(*arguments, results=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_was_never_run_has_no_table(tmp_path):
    with pytest.raises(ValueError, match="no stored table"):
        studies.stored("zhang-fig2", tmp_path)


@pytest.mark.parametrize(
    ("spread", "off", "told"),
    [
        (1e-3, 1e-9, []),  # 1e-6 of the spread, but a rounding of the values
        (1e-3, 1e-7, ["standard deviation"]),
        (1.0, 2e-6, ["standard deviation"]),  # 1e-6 of it and more than a rounding of the values
    ],
)
def test_a_spread_is_compared_to_what_its_values_are_known_to(spread, off, told):
    from cfisac.studies import _verify

    found, size = studies.Verification(), 5
    old, new = ({"x": (1.0, (size - 1) * (spread + each) ** 2)} for each in (0.0, off))
    _verify._compare_batch(found, "row 1", old, new, size)
    assert len(found.problems) == len(told)
    assert all(word in problem for word, problem in zip(told, found.problems, strict=True))
