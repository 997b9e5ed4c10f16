#!/usr/bin/env bash
# myst-nb's nb_merge_streams moves text that a cell prints after a figure to above the figure.
#
# Guess: `nb_merge_streams` joins the pieces of a stream that follow each other, as its use (output
# that does not depend on how the kernel cut it into pieces) needs.
# Seen (myst-nb 1.4.0, Sphinx 7.4.7): all pieces of a stream of one cell go to where its first piece
# stands, whatever was displayed between them, and blank lines at the ends of pieces are lost.
# A cell that prints "before", shows a picture and prints "after" shows "before after" and then the
# picture. Joining at execution (nbclient's coalesce_streams) keeps the order.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install myst-nb==1.4.0 sphinx==7.4.7 nbformat==5.10.4 2>pip.log || { cat pip.log; exit 1; }

mkdir book
venv/bin/python - <<'PY'
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

outputs = [
    new_output("stream", name="stdout", text="TEXT-BEFORE\n\n"),
    new_output("display_data", data={"text/html": "<b>THE-FIGURE</b>"}),
    new_output("stream", name="stdout", text="TEXT-AFTER\n"),
]
cell = new_code_cell("0", execution_count=1, outputs=outputs)
nbformat.write(new_notebook(cells=[new_markdown_cell("# Title"), cell]), "book/index.ipynb")
PY

order() { # order True|False: the order on the page
    venv/bin/python -m sphinx -q -C -D extensions=myst_nb -D nb_execution_mode=off \
        -D nb_merge_streams="$1" book "html-$1" >sphinx.log 2>&1 || { cat sphinx.log; exit 1; }
    grep -oE 'TEXT-BEFORE|THE-FIGURE|TEXT-AFTER' "html-$1/index.html" | tr '\n' ' '
}
apart=$(order 0) merged=$(order 1)
echo "nb_merge_streams off: $apart"
echo "nb_merge_streams on:  $merged"
[ "$apart" = "TEXT-BEFORE THE-FIGURE TEXT-AFTER " ] && [ "$merged" = "TEXT-BEFORE TEXT-AFTER THE-FIGURE " ]
