"""The command ``cfisac``: list, run and verify the studies."""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NoReturn

from cfisac import __version__, studies


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage block."""
        self.exit(2, f"cfisac: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    0 is success, 1 a stored result that does not verify or a run that broke off, 2 bad usage,
    130 an interrupted command.
    """
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda text, *_: print(f"cfisac: {text}", file=sys.stderr)
            return int(options.command(options))
    except (ValueError, OSError) as error:
        return _say(error, 2)
    except BrokenProcessPool:
        return _say(f"a worker was killed, for lack of memory perhaps; {_KEPT}", 1)
    except KeyboardInterrupt:
        return _say(f"stopped; {_KEPT}" if options.command is _run else "stopped", 130)


_KEPT = "what was finished is kept, run again to go on"


def _say(message: object, code: int) -> int:
    print("cfisac:", " ".join(str(message).split()), file=sys.stderr)
    return code


def _list(options: argparse.Namespace) -> int:
    for study in studies.all_studies().values():
        held = studies.table_path(study, "paper", options.results).exists()
        print(f"{study.id:16s} {study.title}{'' if held else '  [no stored table]'}")
    return 0


def _run(options: argparse.Namespace) -> int:
    import pandas as pd

    path = studies.run(
        options.study,
        options.fidelity,
        results=options.results,
        workers=options.workers,
        scheduler=options.scheduler,
        progress=True,
    )
    for name, value in studies.get(options.study).assumptions.items():
        print(f"assumed {name}: {value}", file=sys.stderr)
    table = pd.read_csv(path)
    drawn = studies.picture(studies.get(options.study), table, path.with_suffix(".png"))
    print(f"\n{studies.first_rows(table)}\n\npicture: {drawn}", file=sys.stderr)
    print(path)  # alone on the standard output, for scripts
    return 0


def _verify(options: argparse.Namespace) -> int:
    known = studies.all_studies()
    chosen = [studies.get(name) for name in options.studies] or list(known.values())
    failed = 0
    for study in chosen:
        found = studies.verify(
            studies.table_path(study, "paper", options.results),
            options.rows,
            n_batches=options.batches,
            share=options.share,
            workers=options.workers,
            progress=True,
        )
        failed += bool(found.problems)
        print(f"{study.id}: {'FAILED' if found.problems else 'verified'}{_computed(study, found)}")
        for problem in found.problems:
            print(f"  {problem}")
    return 1 if failed else 0


def _where(folder: Path) -> _Parser:
    where = _Parser(add_help=False)
    where.add_argument(
        "--results", type=Path, default=folder, help="folder of the tables (%(default)s)"
    )
    return where


def _computed(study: studies.Study, found: studies.Verification) -> str:
    """What was computed anew, and how near it came."""
    if not found.n_rows:
        return ""
    text = f", {found.n_rows} of {len(study.cells)} rows"
    if study.trial is not None:
        text += f" from their stored batches, {found.n_batches} of these"
    return f"{text} anew, largest relative difference {found.largest:.1g}"


def _number_or_all(text: str) -> int | None:
    try:
        return None if text == "all" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number or all, got {text!r}") from None


def _share(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal()):
        raise argparse.ArgumentTypeError(f"must be like 1/2, got {text!r}")
    return int(part), int(parts)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="cfisac", description="Run and verify the studies of the book.")
    parser.add_argument("--version", action="version", version=f"cfisac {__version__}")
    commands = parser.add_subparsers(required=True, metavar="list | run | verify")
    where, new = _where(studies.RESULTS), _where(studies.NEW_RESULTS)
    crew = _Parser(add_help=False)
    crew.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)"
    )
    listing = commands.add_parser("list", parents=[where], help="list the studies")
    listing.set_defaults(command=_list)

    run = commands.add_parser("run", parents=[new, crew], help="run a study and store its table")
    run.add_argument("study", help="as printed by cfisac list")
    run.add_argument("--fidelity", default="book", help="smoke, book or paper (%(default)s)")
    run.add_argument("--scheduler", help="address of a Dask scheduler, such as tcp://host:8786")
    run.set_defaults(command=_run)

    verify = commands.add_parser("verify", parents=[where, crew], help="recompute stored numbers")
    verify.add_argument("studies", nargs="*", metavar="study", help="all, unless some are named")
    for name, default, what in (
        ("rows", 3, "rows to compute anew"),
        ("batches", 1, "batches of trials of each of these rows"),
    ):
        verify.add_argument(
            f"--{name}", type=_number_or_all, default=default, metavar="N",
            help=f"{what}, at random, or all (%(default)s)",
        )  # fmt: skip
    verify.add_argument(
        "--share", type=_share, default=(1, 1), metavar="K/N",
        help="one row in N, from row K on, for each of N machines (all)",
    )  # fmt: skip
    verify.set_defaults(command=_verify)
    return parser


if __name__ == "__main__":
    sys.exit(main())
