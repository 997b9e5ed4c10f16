"""Start a notebook's kernel from a process that has imported the libraries already.

Most of what a short chapter takes is `import sympy` and the like, again for each kernel. A kernel
forked from a process that has done that once begins with the same empty namespace, and where the
system cannot fork, it starts as any other.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

FIRST = [
    *("ipykernel.kernelapp", "matplotlib.pyplot", "numpy", "pandas"),
    *("scipy.linalg", "scipy.optimize", "scipy.special", "sympy"),
]
INLINE = "module://matplotlib_inline.backend_inline"  # where ipykernel would send pictures itself


class Forked:
    """A process with the part of Popen that Jupyter's client uses."""

    stdin = stdout = stderr = None

    def __init__(self, process: Any) -> None:
        self._process, self.pid = process, process.pid

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end."""
        self._process.join(timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()


def forked(
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    **_: Any,
) -> Forked:
    """In place of ``jupyter_client.launcher.launch_kernel``; what it logs is not shown."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(FIRST)
    ready, told = context.Pipe(duplex=False)
    kept = os.environ.get("MPLBACKEND")
    os.environ["MPLBACKEND"] = INLINE  # for the process that forks, which starts with the first
    try:
        kernel = context.Process(
            target=_serve,
            args=(list(command), dict(os.environ if env is None else env), cwd, paths(), told),
        )
        kernel.start()
    finally:
        os.environ.pop("MPLBACKEND")
        if kept is not None:
            os.environ["MPLBACKEND"] = kept
    told.close()
    ready.recv()  # it leads a group of its own now: who stops it stops nobody else
    return Forked(kernel)


@functools.cache
def paths() -> list[str]:
    """Where a Python that is started anew looks for modules."""
    code = "import sys; print(*sys.path, sep='\\n')"
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    return found.stdout.splitlines()


def _serve(
    command: list[str],
    env: dict[str, str],
    cwd: str | None,
    where: list[str],
    told: Connection,
) -> None:
    """Be the kernel that a command of the form ``python -m ipykernel_launcher ...`` asks for."""
    os.setsid()
    told.send(True)
    told.close()
    os.environ.clear()
    os.environ.update(env)
    sys.path[:] = where
    if cwd:
        os.chdir(cwd)
    sys.argv = command[2:]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    from ipykernel.kernelapp import IPKernelApp

    # When the process that it was forked from ends, so does it.
    IPKernelApp.launch_instance(argv=[*command[3:], f"--IPKernelApp.parent_handle={os.getppid()}"])
