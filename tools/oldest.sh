# Run the package tests with the oldest versions that pyproject.toml allows: oldest.sh [PYTHON]
set -euo pipefail
venv=_build/oldest

mkdir -p _build
"${1:-python3}" -m venv --clear "$venv"
"$venv/bin/python" - >"$venv/oldest.txt" <<'END'
import re
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
tools = re.compile(r"cvxpy|plotly|sympy|hypothesis|pytest|dask|distributed")
lines = [line for name in ("book", "test", "cluster") for line in extras[name] if tools.match(line)]
print(*(re.sub(r">=([\d.]+).*", r"==\1", line) for line in project["dependencies"] + lines), sep="\n")
END
cat "$venv/oldest.txt"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check install --quiet "$@"; }
pip --requirement "$venv/oldest.txt"
pip --no-deps --editable .
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
"$venv/bin/python" -m pytest -q -p no:cacheprovider -n 2 --benchmark-disable tests --ignore=tests/browser --ignore=tests/test_project.py
