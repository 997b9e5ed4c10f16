# Create the virtual environment and install the pinned packages: venv.sh VENV STAMP [PYTHON]
set -euo pipefail
venv=$1 stamp=$2 wanted=${3:-}

modern() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=
for candidate in ${wanted:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if modern "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    found=$("${wanted:-python3}" --version 2>&1 || true)
    echo "cfisac needs Python 3.11 or later; ${wanted:-python3} is: ${found:-not installed}." >&2
    echo "Name another one with: make book PYTHON=/path/to/python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$("$python" --version) cannot create virtual environments (its ensurepip module is missing)." >&2
    echo "On Debian or Ubuntu: sudo apt-get install python3-venv" >&2
    exit 1
fi

start=$SECONDS
here=$(pwd -P)
if ! modern "$venv/bin/python" || [ "$(cat "$stamp" 2>/dev/null)" != "$here" ]; then
    echo "Creating $venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
    echo "$here" >"$stamp"
    touch -t 200001010000 "$stamp"  # begun, not finished
fi
echo "Installing $(grep -c == constraints.txt) pinned packages into $venv (one or two minutes the first time) ..."
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
    --constraint constraints.txt --config-settings editable_mode=compat --editable '.[book,test,cluster,fast]'
# Package and command are found from where the environment is: a copy runs its own code.
printf '#!/bin/sh\nexec "$(dirname "$0")/python" -P -m cfisac.cli "$@"\n' >"$venv/bin/cfisac"
for link in "$venv"/lib/python3.*/site-packages/__editable__.cfisac-*.pth; do
    echo ../../../.. >"$link"
done
touch "$stamp"
echo "Installed in $((SECONDS - start)) s."
