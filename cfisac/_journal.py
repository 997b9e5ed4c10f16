"""The journal of a run: what is finished is kept, whatever stops the run."""

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Generic, Self, TypeVar

if sys.platform != "win32":
    import fcntl

Moments = dict[str, tuple[float, float]]  # name: mean, sum of squared deviations
T = TypeVar("T")


def as_moments(entry: Any) -> Moments:
    """What a line of the journal says of a batch of trials."""
    return {str(name): (float(a), float(b)) for name, (a, b) in entry.items()}


class Journal(Generic[T]):
    """Finished batches, in memory and, when there is a path, line by line on disk.

    ``read`` makes of a line's entry what was added.
    """

    def __init__(
        self,
        path: Path | None,
        experiment: str,
        n_cells: int,
        batches: Sequence[tuple[int, int]],
        read: Callable[[Any], T],
    ) -> None:
        self.path, self.experiment, self.n_cells, self.batches = path, experiment, n_cells, batches
        self.done: dict[tuple[int, tuple[int, int]], T] = {}
        self._entry = read
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
            try:
                self._lock(self._file, self.path)
                self._take_over(self._file, self.path)
            except BaseException:
                self._file.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, cell: int, batch: tuple[int, int], moments: T) -> None:
        self.done[cell, batch] = moments
        self._write({"cell": cell, "batch": batch, "moments": moments})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()

    @staticmethod
    def _lock(file: BinaryIO, path: Path) -> None:
        """Keep a second run out; the system frees the lock when this one ends, however it ends."""
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ValueError(f"journal {path} is in use by another run") from error

    def _take_over(self, file: BinaryIO, path: Path) -> None:
        """Take the batches of an earlier run over, and cut off what is not a whole line."""
        file.seek(0)
        lines = file.readlines()
        whole = [line for line in lines if line.endswith(b"\n")]
        if whole and not self._is_ours(whole[0]):
            aside = path.with_name(path.name + ".old")
            shutil.copyfile(path, aside)
            text = f"{path.name} is of another experiment or other code: set aside as {aside.name}"
            warnings.warn(text, stacklevel=4)
            whole = []
        length = len(whole[0]) if whole else 0
        for line in whole[1:]:
            try:
                self._read(json.loads(line))
            except (ValueError, KeyError, TypeError):
                break  # damaged: it and what follows is run again
            length += len(line)
        file.truncate(length)
        if not whole:
            self._write({"experiment": self.experiment})

    def _is_ours(self, line: bytes) -> bool:
        try:
            return bool(json.loads(line)["experiment"] == self.experiment)
        except (ValueError, KeyError, TypeError):
            return False

    def _read(self, entry: Mapping[str, Any]) -> None:
        cell, batch = int(entry["cell"]), (entry["batch"][0], entry["batch"][1])
        moments = self._entry(entry["moments"])
        if not moments or batch not in self.batches or not 0 <= cell < self.n_cells:
            raise ValueError
        self.done[cell, batch] = moments
