"""The checkout, not the package: what a script beside a clone named ``cfisac`` finds first.

Python looks beside the script before it looks among what is installed. Without this file it would
take the clone for an empty package; with it, it goes on looking.
"""

if __name__ == "cfisac":
    import importlib.machinery
    import importlib.util
    import sys
    from pathlib import Path

    clone = Path(__file__).resolve().parent
    path = [entry for entry in sys.path if Path(entry).resolve() != clone.parent]
    found = (
        finder.find_spec(__name__, path if finder is importlib.machinery.PathFinder else None)
        for finder in sys.meta_path
    )
    spec = next((spec for spec in found if spec and spec.origin), None)
    if spec is None:
        raise ModuleNotFoundError(
            f"cfisac is not installed in {sys.executable}: {clone} is only its checkout. "
            f"Run 'make venv' there and use {clone}/.venv/bin/python, or 'pip install {clone}'.",
            name=__name__,
        )
    sys.modules[__name__] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
