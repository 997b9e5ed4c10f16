"""Draw the picture of the README with its own script: python tools/picture.py."""

import os
import re
import tempfile
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

from cfisac import plotting

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "book" / "_static" / "peb_map.png"


def draw() -> None:
    """Run the first script of the README, and keep what it draws."""
    script = re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    plotting.style()
    mpl.rcParams.update({"savefig.dpi": 160, "savefig.bbox": "tight"})
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        exec(script, {})
        TARGET.write_bytes(Path("peb.png").read_bytes())


if __name__ == "__main__":
    draw()
