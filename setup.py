"""Let wheels carry what the book holds and the package reads: the ledger and the stored tables."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HELD = ("ledger/*.yml", "results/*.csv", "results/*.json", "results/*.npz")


class BuildWithBook(build_py):
    """Copy them to ``cfisac/book``; a checkout reads them where they are."""

    def run(self):
        """Build as usual, then copy, without results of other fidelities than the book's."""
        super().run()
        if self.editable_mode:
            return
        book = Path("book")
        for path in (path for pattern in HELD for path in book.glob(pattern)):
            if len(path.suffixes) == 1:
                target = Path(self.build_lib, "cfisac", path)
                self.mkpath(str(target.parent))
                self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": BuildWithBook})
