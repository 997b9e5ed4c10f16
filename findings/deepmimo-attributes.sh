#!/usr/bin/env bash
# A DeepMIMO dataset answers hasattr with a KeyError, and cannot be copied or sent to a process.
#
# Guess: a Dataset is a dictionary with attributes, so hasattr(dataset, "x") is False for what it
# has not, getattr(dataset, "x", None) is None, and copy and pickle work as with any container.
# Seen (DeepMIMO 4.0.5): its __getattr__ lets the KeyError of the lookup through where Python asks
# for an AttributeError. So hasattr and getattr with a default raise KeyError; copy.copy and a round
# trip through pickle end in RecursionError (joblib and multiprocessing cannot send a dataset to a
# worker); "x" in dataset and dataset.get("x") work. A MacroDataset gives a list of arrays where a
# Dataset gives one array, but of a single member it gives the array itself.
# What an adapter does about it: `in` and `get`, never hasattr, and plain arrays to workers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install deepmimo==4.0.5 2>pip.log || { cat pip.log; exit 1; }

cat >dataset.py <<'PY'
import copy
import pickle

import numpy as np
from deepmimo import Dataset, MacroDataset


def made(n_users):
    return Dataset({"rx_pos": np.zeros((n_users, 3)), "power": np.ones((n_users, 3))})


def seen(ask):
    try:
        return ask()
    except Exception as error:
        return type(error).__name__


one, other = made(2), made(4)
found = {
    "hasattr": seen(lambda: hasattr(one, "x")),
    "getattr with a default": seen(lambda: getattr(one, "x", None)),
    "in": seen(lambda: "x" in one),
    "get": seen(lambda: one.get("x", 7)),
    "copy": seen(lambda: copy.copy(one)),
    "pickle": seen(lambda: pickle.loads(pickle.dumps(one))),
    "of two": seen(lambda: type(MacroDataset([one, other]).power).__name__),
    "of one": seen(lambda: MacroDataset([one]).power.shape),
}
expected = {
    "hasattr": "KeyError",
    "getattr with a default": "KeyError",
    "in": False,
    "get": 7,
    "copy": "RecursionError",
    "pickle": "RecursionError",
    "of two": "list",
    "of one": (2, 3),
}
for name, value in found.items():
    print(f"{name}: {value}")
raise SystemExit(found != expected)
PY
venv/bin/python dataset.py 2>warnings.log || { cat warnings.log; exit 1; }
