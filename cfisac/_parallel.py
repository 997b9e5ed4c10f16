"""Where work is done: on one thread at a time, in processes of this machine or on a cluster."""

import threading
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from urllib.parse import urlsplit

from threadpoolctl import threadpool_limits

CONNECT_SECONDS = 10  # how long a Dask scheduler may take to answer


class _OneThread:
    """Limits linear algebra to one thread while any thread of this process is inside.

    (Where the threads of a Dask worker overlap, the worker may stay limited.)
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._limits = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                import scipy.linalg  # noqa: F401  # its BLAS must be there when threads are limited

                self._limits.enter_context(threadpool_limits(1))
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limits.close()


one_thread = _OneThread()
"""Context in which sums do not depend on how many cores there are; batches are worked on in it."""


def backend(workers: int, scheduler: str | None) -> AbstractContextManager[Any]:
    """Where joblib sends the batches: this process, processes of this machine, or Dask."""
    from joblib import parallel_config

    if scheduler is None:
        if workers == 1:
            return parallel_config(backend="sequential")
        return parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1)
    if not is_address(scheduler):
        raise ValueError(f"scheduler must be an address like tcp://host:8786, got {scheduler!r}")
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError("scheduler needs the extra: pip install 'cfisac[cluster]'") from error
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # distributed raises many kinds for a bad or silent address
        raise ValueError(
            f"scheduler must be the address of a running Dask scheduler; {scheduler!r} "
            "does not answer"
        ) from error
    stack = ExitStack()
    stack.enter_context(client)
    stack.enter_context(parallel_config(backend="dask", client=client))
    return stack


def is_address(scheduler: str) -> bool:
    """Tell whether Dask could find a scheduler there; it takes long to refuse a malformed one."""
    try:
        parts = urlsplit(scheduler)
        known = parts.scheme in ("tcp", "tls", "ucx", "ws", "wss")
        return known and bool(parts.hostname) and parts.port is not None
    except ValueError:  # the port is no number
        return False
