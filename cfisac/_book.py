"""Where the ledger and the stored tables are: in the checkout, or in the installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# The checkout that this package lies in; None where it was installed without one.
CHECKOUT = _PACKAGE.parent if (_PACKAGE.parent / "pyproject.toml").is_file() else None
FOLDER = (CHECKOUT or _PACKAGE) / "book"  # a wheel carries the part that the package reads


def checkout() -> Path:
    """The checkout; ``ValueError`` where there is none."""
    if CHECKOUT is None:
        raise ValueError("root must be a checkout of cfisac, with chapters and tests: none is here")
    return CHECKOUT
