"""Argument checks, and names that changed."""

import inspect
import warnings

import numpy as np
import pytest

from cfisac import _checks


@_checks.renamed(snr="sample_snr", angle="phi")
def bound(n, sample_snr, *, phi=0.0):
    """A bound."""
    return n, sample_snr, phi


def test_an_old_keyword_warns_and_means_the_new_one():
    with pytest.warns(DeprecationWarning, match="bound: snr is now called sample_snr") as caught:
        assert bound(1, snr=2) == (1, 2, 0.0)
    assert caught[0].filename == __file__  # where it is called, not where it is defined
    with pytest.warns(DeprecationWarning, match="angle is now called phi"):
        assert bound(1, 2, angle=3) == (1, 2, 3)


def test_new_names_do_not_warn_and_the_signature_is_the_new_one():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bound(1, sample_snr=2, phi=3) == bound(1, 2, phi=3) == (1, 2, 3)
    assert list(inspect.signature(bound).parameters) == ["n", "sample_snr", "phi"]
    assert bound.__doc__ == "A bound."


def test_a_keyword_by_both_names_and_an_unknown_one_are_refused():
    with pytest.raises(ValueError, match="sample_snr must be given once, not as snr too"):
        bound(1, snr=2, sample_snr=2)
    with pytest.raises(TypeError, match="nsr"):
        bound(1, nsr=2)


def test_an_old_function_warns_and_calls_the_new_one():
    old = _checks.old_name("peb", bound)
    with pytest.warns(DeprecationWarning, match="peb is now called bound") as caught:
        assert old(1, 2) == (1, 2, 0.0)
    assert caught[0].filename == __file__
    assert (old.__name__, old.__doc__) != (bound.__name__, bound.__doc__)


def test_an_old_property_warns():
    class Scene:
        def sample_snr(self):
            return 3

        snr = property(_checks.old_name("snr", sample_snr))

    with pytest.warns(DeprecationWarning, match="snr is now called"):
        assert Scene().snr == 3


def test_one_of_names_the_words_that_are_allowed():
    assert _checks.one_of("bound", "exact", "exact", "approximate") == "exact"
    for bad in ("Exact", None, 1, ["exact"], {"exact"}):
        with pytest.raises(ValueError, match=r"^bound must be 'exact', 'other' or 'joint', got "):
            _checks.one_of("bound", bad, "exact", "other", "joint")


def test_objects_sequences_and_energies_are_named():
    for check, bad in (
        (lambda x: _checks.kind("scene", x, dict), [None, "x", 3, []]),
        (lambda x: _checks.generator("scene", x), [None, 3, np.random]),
        (lambda x: _checks.yes_or_no("scene", x), [None, 0, 1, "x", np.array([])]),
        (lambda x: _checks.each_of("scene", x, 2, "things"), [None, 3, "ab", [1], np.array(2.0)]),
        (lambda x: _checks.squarable("scene", x), [1e101, [0, 1e-101], [np.nan], "x", None]),
    ):
        for value in bad:
            with pytest.raises(ValueError, match=r"^scene must be "):
                check(value)
    assert _checks.each_of("scene", np.ones(2), 2, "things") == [1, 1]
    assert _checks.squarable("scene", [0.0, 1e-100]).dtype == complex
    assert _checks.squarable("scene", np.zeros((0, 2)), float).shape == (0, 2)
