"""Everything a release needs, in dist/: python tools/dist.py.

Wheel, sdist, the offline pages, the printed book, slides, student notebooks and figures, with
checksums. Archives of the same contents are the same bytes.
"""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
BUILD, DIST = ROOT / "_build", ROOT / "dist"
DATE = (2026, 1, 1, 0, 0, 0)  # of all members: archives do not tell when they were made


def version() -> str:
    """As CITATION.cff has it."""
    return str(yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"])


def archive(target: Path, folder: Path, inside: str) -> None:
    """Zip a folder's files, in their order, below one folder."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as sink:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(f"{inside}/{path.relative_to(folder).as_posix()}", DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            sink.writestr(member, path.read_bytes())


def packages(target: Path) -> None:
    """Wheel and sdist, by setuptools as pyproject.toml asks."""
    code = "from setuptools import build_meta as b; import sys; b.build_{}(sys.argv[1])"
    for kind in ("wheel", "sdist"):
        command = [sys.executable, "-c", code.format(kind), str(target)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def checksums(files: Iterable[Path]) -> str:
    """As ``sha256sum -c`` reads them."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Make what is missing, then fill dist/ anew."""
    for tool in (["pdf.py"], ["book.py", "student"], ["book.py", "slides"]):
        command = [sys.executable, str(ROOT / "tools" / tool[0]), *tool[1:]]
        if code := subprocess.run(command, cwd=ROOT).returncode:
            return code
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    packages(DIST)
    name = f"cfisac-{version()}"
    archive(DIST / f"{name}-book.zip", BUILD / "html", f"{name}-book")
    archive(DIST / f"{name}-student.zip", BUILD / "student", f"{name}-student")
    shutil.copy2(BUILD / "pdf" / "cfisac.pdf", DIST / f"{name}.pdf")
    shutil.copy2(BUILD / "html" / "slides.html", DIST / f"{name}-slides.html")
    shutil.copy2(BUILD / "figures.zip", DIST / f"{name}-figures.zip")
    made = sorted(DIST.iterdir())
    (DIST / "SHA256SUMS").write_text(checksums(made), encoding="utf-8")
    for path in made:
        print(f"{path.stat().st_size / 1e6:8.1f} MB  {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
