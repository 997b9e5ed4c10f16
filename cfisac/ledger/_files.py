"""Reading the files of the ledger, and what is wrong with an entry as such."""

from pathlib import Path
from typing import Any

import yaml

_KEYS = {"id", "what", "verdict", "note", "copy", "repaired", "read", "check"}


def read(path: Path) -> Any:
    """The entries of one file; ``ValueError`` if it is not YAML."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where it exists
    try:
        return yaml.load(path.read_text("utf-8"), loader) or []
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name}: is not YAML: {error}") from error


def entry_fault(entry: Any) -> str:
    """Say what is wrong with one entry; nothing if it is a row."""
    if not isinstance(entry, dict):
        return "is not a mapping"
    unknown = sorted(str(key) for key in entry.keys() - _KEYS)
    if unknown:
        return f"unknown key {', '.join(unknown)}; allowed: {', '.join(sorted(_KEYS))}"
    missing = sorted({"id", "what", "verdict"} - entry.keys())
    if missing:
        return f"has no {', '.join(missing)}"
    empty = sorted(key for key, value in entry.items() if not isinstance(value, str) or not value)
    return f"{', '.join(empty)} must be non-empty text" if empty else ""
