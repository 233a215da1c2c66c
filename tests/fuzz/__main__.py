"""`python -m tests.fuzz --cases 1000 --kind records`: runs generated cases and counts outcomes.

Prints counts per kind, and violations by place with an example each. Exit code 1: there are some.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from statistics import median

import lanser_bench_plugins
from filelock import FileLock
from hypothesis import HealthCheck, Phase, given, seed, settings

import lanser_bench
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.identity import source_hash

from .guard import Case, Outcome, run_case
from .kinds import KINDS, misplaced
from .world import make_world

LIBRARIES = (
    *("transformers", "omegaconf", "matplotlib.figure", "scipy.stats", "pandas", "threadpoolctl"),
    *("pyarrow.dataset", "pyarrow.pandas_compat", "iso639", "av", "typer._click.decorators"),
)


def main() -> int:
    """Runs the cases of the kinds that the command line names."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--cases", type=int, default=1000, help="cases of each kind")
    options.add_argument("--kind", choices=KINDS, action="append", help="default: all; repeatable")
    options.add_argument("--part", help="I/N: the kinds I, I + N, …, counted from 0")
    options.add_argument("--seed", type=int, default=0, help="another seed gives other cases")
    options.add_argument("--work", type=Path, help="keep the files of the run in this folder")
    options.add_argument("--keep", type=Path, help="keep the folders of violations here")
    given = options.parse_args()
    load_all()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        work = (given.work or Path(scratch)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        home = work / "world"
        with FileLock(work / "lock"):  # parts may run side by side in one folder
            if not home.exists():
                make_world(work / "new").rename(home)
        first, step = map(int, (given.part or "0/1").split("/"))
        counts = {}
        for kind in (given.kind or list(KINDS))[first::step]:
            outcomes = run_kind(kind, work, given)
            counts[kind] = {"cases": len(outcomes), **show(kind, outcomes)}
    print("\n".join(table(counts)))
    return 1 if any(row.keys() & SORTS.keys() for row in counts.values()) else 0


SORTS = {
    "TRACEBACK": "tracebacks",
    "DIED": "crashes",
    "CODE": "wrong exit codes",
    "WRITES": "writes outside",
    "SLOW": "slow",
    "UNNAMED": "file not named",
}


def table(counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Yields the lines of a Markdown table of the kinds' counts."""
    yield f"| kind | cases | {' | '.join(SORTS.values())} |"
    yield "|---|" + "--:|" * (1 + len(SORTS))
    for kind, row in counts.items():
        cells = [kind, *(str(row.get(name, 0)) for name in ("cases", *SORTS))]
        yield f"| {' | '.join(cells)} |"


def load_all() -> None:
    """Loads what commands load, and hashes the plugins' sources, once for all forks.

    Nothing else may run here, or the forks could not use the threads of the libraries.
    """
    for name in LIBRARIES:
        import_module(name)
    for package in (lanser_bench, lanser_bench_plugins):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            with suppress(ImportError):
                import_module(module.name)
                source_hash(module.name)
    registry()
    gc.freeze()  # or each fork's collector would copy the memory of all these objects


def run_kind(kind: str, work: Path, options: argparse.Namespace) -> list[tuple[Case, Outcome]]:
    """Runs the cases of a kind, each in a fresh copy of the files that it needs."""
    strategy, needed = KINDS[kind]
    outcomes: list[tuple[Case, Outcome]] = []
    home, folder = work / "world", work / f"case-{os.getpid()}"

    @seed(options.seed)
    @settings(
        max_examples=options.cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(misplaced(strategy(home)))
    def each(case: Case) -> None:
        _lay_out(case, home, needed, folder)
        outcome = run_case(case, folder)
        outcomes.append((case, outcome))
        if outcome.violation and options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, options.keep / f"{kind}-{options.seed}-{len(outcomes)}")
        shutil.rmtree(folder, ignore_errors=True)

    with suppress(KeyboardInterrupt):  # the counts so far are shown
        each()
    return outcomes


def _lay_out(case: Case, home: Path, needed: tuple[str, ...], folder: Path) -> None:
    folder.mkdir()
    for name in needed:
        if name == "store" and not {"store", "e.yaml"} & {*case.argv}:
            continue  # many files, which most commands do not read
        if (home / name).is_dir():
            shutil.copytree(home / name, folder / name, copy_function=_link)
        else:
            _link(home / name, folder / name)
    for name, content in case.files.items():
        try:
            path = folder / name
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content is not None:
                content(path)
        except (OSError, ValueError):  # no file can have this name
            continue


def _link(source: str | Path, target: str | Path) -> None:
    """Links a file; SQLite writes in place, so its files are copied."""
    if ".sqlite" in str(source):
        shutil.copy2(source, target)
    else:
        os.link(source, target)


def show(kind: str, outcomes: list[tuple[Case, Outcome]]) -> Counter[str]:
    """Prints the counts of a kind; returns its violations by sort."""
    codes = Counter(outcome.code for _, outcome in outcomes)
    seconds = [outcome.seconds for _, outcome in outcomes]
    faults: dict[str, list[tuple[int, Case, Outcome]]] = defaultdict(list)
    for number, (case, outcome) in enumerate(outcomes, 1):
        if outcome.violation:
            faults[outcome.violation].append((number, case, outcome))
    sorts = Counter(outcome.violation.split(" ")[0] for _, outcome in outcomes if outcome.violation)
    print(
        f"== {kind}: {len(outcomes)} cases, exit codes {dict(codes.most_common())}, violations "
        f"{dict(sorts)}, CPU s median {median(seconds):.2f} max {max(seconds):.1f}",
        flush=True,
    )
    for violation, cases in sorted(faults.items(), key=lambda item: -len(item[1])):
        number, case, outcome = cases[0]
        print(
            f"{len(cases):7d} × {violation}  e.g. {number}: {case}\n            {outcome.detail!r}"
        )
    return sorts


if __name__ == "__main__":
    sys.exit(main())
