#!/usr/bin/env bash
# nbval passes a notebook whose values have other names, or come in another order, than the stored ones.
#
# Guess: comparing with stored outputs, nbval fails when a value is stored under another name (the
# scrapbook name that myst_nb.glue writes into an output's metadata), and when a line is printed
# after a displayed value instead of before it.
# Seen (nbval 0.11.0): both pass. Outputs are compared kind by kind: `metadata` is never looked at,
# and the order is kept within a kind, not between printed text and displayed values.
# A book that pastes glued values into its prose then shows another value under the old name,
# or none, and its tests stay green. A changed value does fail.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install nbval==0.11.0 pytest==8.4.2 ipykernel==7.1.0 nbformat==5.10.4 2>pip.log || { cat pip.log; exit 1; }

venv/bin/python - <<'PY'
import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

SHOW = """from IPython.display import display
def keep(name, value):
    data = {"application/papermill.record/text/plain": repr(value)}
    display(data, raw=True, metadata={"scrapbook": {"name": name}})
"""


def store(file, source, outputs):
    cells = [new_code_cell(SHOW, execution_count=1), new_code_cell(source, execution_count=2)]
    cells[1].outputs = outputs
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, file)


def value(name, text):
    data = {"application/papermill.record/text/plain": text}
    return new_output("display_data", data=data, metadata={"scrapbook": {"name": name}})


def text(line):
    return new_output("stream", name="stdout", text=line + "\n")


store("same.ipynb", "keep('bound_m', 2)", [value("bound_m", "2")])
store("value.ipynb", "keep('bound_m', 3)", [value("bound_m", "2")])
store("name.ipynb", "keep('error_m', 2)", [value("bound_m", "2")])
store("order.ipynb", "keep('bound_m', 2)\nprint('after')", [text("after"), value("bound_m", "2")])
PY

failed=0
expect() { # expect NAME passed|failed
    if venv/bin/python -m pytest -q -p no:cacheprovider --nbval --nbval-current-env "$1.ipynb" >"$1.log" 2>&1
    then seen=passed; else seen=failed; fi
    echo "$1: $seen"
    [ "$seen" = "$2" ] || { failed=1; tail -n 20 "$1.log"; }
}
expect same passed   # the control: equal outputs
expect value failed  # the control: another value
expect name passed   # another name
expect order passed  # text moved to the other side of a displayed value
exit $failed
