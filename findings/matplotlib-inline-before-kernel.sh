#!/usr/bin/env bash
# A kernel whose process imported the inline backend before the kernel began shows no pictures.
#
# Guess: kernels that start from a process with the libraries already imported (forked from a server
# to save the seconds that imports take) behave as others do, whichever modules that process holds.
# Seen (ipykernel 7.4.0, matplotlib-inline 0.2.2, Matplotlib 3.11.2): the module
# matplotlib_inline.backend_inline asks for IPython's shell once, when it is imported, and hooks
# the display of open figures to the end of each cell then. Where there is no shell yet, it never
# does: `plt.plot(x)` as the last line of a cell gives no picture, no warning and no error, while
# plt.show() works as ever, so that a notebook loses some of its figures and not others.
# matplotlib.pyplot itself may be imported beforehand.
# What a server of kernels does about it: import pyplot, leave the backend out, and set MPLBACKEND.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install ipykernel==7.4.0 matplotlib-inline==0.2.2 \
    matplotlib==3.11.2 jupyter_client==8.10.0 2>pip.log || { cat pip.log; exit 1; }

cat >early.py <<'PY'
import json
import os
import sys
from pathlib import Path

from jupyter_client.manager import start_new_kernel

BACKEND = "module://matplotlib_inline.backend_inline"
CELLS = {
    "last line": "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    "plt.show()": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
}


def pictures(first, cell):
    """How many pictures a cell gives in a kernel whose process imports a module first."""
    code = f"import {first}\nfrom ipykernel.kernelapp import IPKernelApp\nIPKernelApp.launch_instance()"
    spec = Path("jupyter/kernels/early")
    spec.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", code, "-f", "{connection_file}"]
    named = {"argv": command, "display_name": "early", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(named))
    kinds = []
    manager, client = start_new_kernel(kernel_name="early", env=os.environ | {"MPLBACKEND": BACKEND})
    try:
        client.execute_interactive(cell, output_hook=lambda m: kinds.append(m["msg_type"]), timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "error" not in kinds
    return kinds.count("display_data")


os.environ["JUPYTER_PATH"] = str(Path("jupyter").resolve())
found = {
    (first, name): pictures(first, cell)
    for first in ("json", "matplotlib.pyplot", "matplotlib_inline.backend_inline")
    for name, cell in CELLS.items()
}
for (first, name), number in found.items():
    print(f"after import {first:33s} {name:11s} {number} pictures")
lost = ("matplotlib_inline.backend_inline", "last line")
assert found.pop(lost) == 0
assert set(found.values()) == {1}
PY
venv/bin/python early.py 2>&1 | grep -v WARNING
