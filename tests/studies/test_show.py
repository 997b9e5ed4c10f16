"""First rows with units, and a picture, of every stored table."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cfisac import studies
from cfisac.studies import Study, _show

KNOWN = studies.all_studies()


@pytest.mark.parametrize(
    ("column", "name", "unit"),
    [
        ("peb_exact_m", "peb exact", "m"),
        ("median_speed_m_per_s", "median speed", "m/s"),
        ("delay_part_per_m2", "delay part", "1/m²"),
        ("delay_variance_rad2_per_s2", "delay variance", "rad²/s²"),
        ("doppler_variance_rad2_s2", "doppler variance", "rad² s²"),
        ("published_se_bit_per_s_per_hz", "published se", "bit/s/Hz"),
        ("rcs_dbsm", "rcs", "dBsm"),
        ("x_m", "x", "m"),
        ("n_aps", "n aps", ""),
        ("mse_over_crlb", "mse over crlb", ""),
        ("peb_over_peb_at_90_deg", "peb over peb at 90 deg", ""),
    ],
)
def test_a_column_ends_with_its_unit(column, name, unit):
    assert studies.name_and_unit(column) == (name, unit)


@pytest.mark.parametrize("study", KNOWN)
def test_first_rows_fit_a_terminal_and_count_what_is_left_out(study):
    table = studies.stored(study)
    lines = studies.first_rows(table, 3).splitlines()
    assert max(map(len, lines)) <= 100
    left = len(table) - 3
    assert ("more row" in lines[-1]) == (left > 0)
    assert left <= 0 or f"({left} more row" in lines[-1]


def test_values_stand_beside_their_standard_errors():
    table = pd.DataFrame({"n_aps": [4, 9], "peb_m": [1.5379, np.inf], "peb_m_se": [0.0312, np.nan]})
    assert studies.first_rows(table).splitlines() == [
        "n aps           peb",
        "                  m",
        "    4  1.538 ± 0.03",
        "    9           inf",
    ]


@pytest.mark.parametrize("n_rows", [0, -1, 1.5, "all"])
def test_a_number_of_rows_that_is_none_is_refused(n_rows):
    with pytest.raises(ValueError, match="n_rows"):
        studies.first_rows(studies.stored("zhang-fig2"), n_rows)


def drawn(study, table):
    figure = Figure()
    (study.plot or _show._plain)(study, table, figure)
    return figure


@pytest.mark.parametrize("study", KNOWN)
def test_every_stored_table_has_a_picture(study, tmp_path):
    path = studies.picture(KNOWN[study], studies.stored(study), tmp_path / "table.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_line_of_the_picture_holds_the_numbers_of_the_table():
    table = studies.stored("zhang-fig2")
    (axes,) = drawn(KNOWN["zhang-fig2"], table).axes
    lines = [container.lines[0] for container in axes.containers]
    assert len(lines) == table["n_antennas"].nunique()
    for line, (_, part) in zip(lines, table.groupby("n_antennas", sort=False), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), part["n_pilots"])
        np.testing.assert_array_equal(line.get_ydata(), part["mean_angle_crlb_rad2"])
    assert axes.get_ylabel() == "mean angle crlb (rad²)"


def test_bars_where_no_parameter_runs_over_numbers():
    table = studies.stored("liu-bounds")
    (axes,) = drawn(KNOWN["liu-bounds"], table).axes
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_array_equal(widths, table["median_position_m"])
    assert [label.get_text() for label in axes.get_yticklabels()] == table["correction"].tolist()


def test_what_is_infinite_leaves_a_gap_and_one_constant_column_is_drawn():
    study = Study("s", "source", "title", None, [{"n": 1}], {}, 1)
    table = pd.DataFrame({"n": [1, 2, 3, 4], "a_m": [2.0] * 4})
    (axes,) = drawn(study, table).axes
    assert axes.get_ylabel() == "a (m)"
    table["b_m"] = [np.inf, 1.0, 2.0, np.nan]
    (axes,) = drawn(study, table).axes
    assert axes.get_ylabel() == "b (m)"
    shown = axes.containers[0].lines[0].get_ydata().astype(float)
    np.testing.assert_array_equal(shown, [np.nan, 1.0, 2.0, np.nan])


def test_maps_are_one_panel_for_each_deployment():
    table = studies.stored("peb-maps")
    figure = drawn(KNOWN["peb-maps"], table)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == list(table["deployment"].unique())
