"""Kills a run at each of its writes in turn, runs it again, and compares the end with that of an unbroken run.

Runs in a child of a fork server, which has imported what a run needs and has started no thread.
"""

import gc
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import importlib_metadata  # noqa: F401 MLflow imports it at the first run
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import polars._utils.parquet  # noqa: F401
import upath.implementations.local  # noqa: F401

import tests.dagster_internals  # noqa: F401
from tests.faults.crash_scenarios import SCENARIOS, instance, open_tracking
from tests.faults.write_points import WritePoints


def enumerate_kills(name: str, root: str, report: str) -> None:
    """Write a report of the kills of a scenario over a store: the writes of an unbroken run, and the failures.

    Args:
        name: a key of `SCENARIOS`.
        root: the folder of the store before the run; each run starts from a copy of it, at the same place.
        report: the JSON file to write: {"writes": [[operation, path], ...], "failures": [text, ...]}.
    """
    scenario, work, former = SCENARIOS[name], Path(root), Path(root).with_name("former")
    reached, found, wanted = (Path(report).with_suffix(suffix) for suffix in (".reached", ".found", ".wanted"))

    def run(fatal: int) -> None:
        points = WritePoints(work, fatal)
        points.install()
        scenario.run(work)
        reached.write_text(json.dumps(points.reached))

    def run_again(to: Path, *, is_after_kill: bool) -> None:
        if is_after_kill:
            scenario.check(work)
        scenario.run(work)
        scenario.check(work)
        to.write_text(json.dumps(scenario.state(work), sort_keys=True, default=str))

    instance()
    if (work / "mlflow").exists():
        open_tracking(work)
    gc.freeze()  # children share the memory of what is imported
    _copy(work, former)
    assert _forked(lambda: run(0)) == 0, "the unbroken run fails"
    writes = json.loads(reached.read_text())
    _copy(former, work)
    assert _forked(lambda: run_again(wanted, is_after_kill=False)) == 0, "the unbroken run fails"
    failures = []
    for number, (operation, path) in enumerate(writes, start=1):
        _copy(former, work)
        point = f"{name}, write {number} of {len(writes)}, {operation} {path}"
        if (code := _forked(lambda fatal=number: run(fatal))) != -signal.SIGKILL:  # type: ignore[misc]
            failures.append(f"{point}: the run was not killed there, it ended with {code}")
        elif _forked(lambda: run_again(found, is_after_kill=True)) != 0:
            failures.append(f"{point}: the next run, or a reader before it, fails")
        elif found.read_text() != wanted.read_text():
            failures.append(f"{point}: {_difference(json.loads(found.read_text()), json.loads(wanted.read_text()))}")
    Path(report).write_text(json.dumps({"writes": writes, "failures": failures}))


def _copy(former: Path, work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(former, work)


def _difference(found: dict[str, object], wanted: dict[str, object]) -> str:
    keys = [key for key in sorted(found.keys() | wanted.keys()) if found.get(key) != wanted.get(key)]
    return f"the end differs in {keys}: {str(found.get(keys[0]))[:200]} instead of {str(wanted.get(keys[0]))[:200]}"


def _forked(call: Callable[[], None]) -> int:
    """Runs a call in a child; returns its code, minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            call()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_scenario(name: str, root: str) -> None:
    """Run a scenario over a store without an interruption."""
    SCENARIOS[name].run(Path(root))
