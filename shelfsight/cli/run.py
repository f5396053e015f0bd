"""`shelfsight run`: brings everything in the project's plan up to date, in this process, and shows the progress."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg
from rich.console import Console
from rich.text import Text

from catalog.escaping.terminal import terminal_line
from catalog_assets.definitions import definitions
from catalog_assets.flow import PlannedRun, register_arrivals, run_steps, stale_runs
from catalog_assets.plan import Plan, Step, steps
from ml.name_suggestions import suggest_names
from resources.instance import made_home
from resources.project_file import PROJECT_FILE, ProjectError
from resources.recipes import complete_plan
from resources.settings import Settings, project_file
from resources.store import Store
from shelfsight.cli.failures import shown_error
from shelfsight.cli.first_estimates import FirstEstimates
from shelfsight.cli.run_estimates import RunEstimates

FAILED, PROBLEMS = "failed deliveries", "problems with feeds"  # of the output


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of the command: a stage is a job, or an asset group with all of its jobs."""

    only: str | None = None
    until: str | None = None
    is_dry: bool = False


def run(settings: Settings, options: RunOptions) -> dict[str, Any]:
    """Registers new feeds and materializes what is missing or stale; returns the runs, and deliveries that failed.

    A dry run registers new feeds, too, since it lists their deliveries, and materializes nothing. It estimates the
    seconds, the device seconds and the disk of each run from rates that former runs measured.

    An interrupted run goes on where it was: what is finished is kept, and trainings resume from their checkpoints.

    Raises:
        ProjectError: there is no project, or its file has an error.
        ValueError: a stage is unknown, or a run failed that is not a single delivery's.
    """
    project = project_file()
    if project.folder is None:
        raise ProjectError(
            f"there is no {PROJECT_FILE} in this folder or above it; make a project by `shelfsight init NAME`, or set "
            "SHELFSIGHT_PROJECT"
        )
    store = Store.of(settings)
    home = made_home(settings, store)
    os.environ["DAGSTER_HOME"] = str(home)  # for the processes of trainings
    defs, plan = definitions(settings), Plan(**complete_plan(project))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        problems = register_arrivals(store, instance)
        flow = chosen(defs, steps(defs, plan), options)
        if options.is_dry:
            estimates = RunEstimates(instance, FirstEstimates(settings, store))
            planned = [_planned(estimates, each) for each in stale_runs(defs, instance, flow)]
            return {"would run": planned, "total": _total(planned), PROBLEMS: problems}
        progress = run_steps(defs, instance, flow, ShownProgress(instance))
    return {"runs": progress.num_runs, FAILED: progress.refused, PROBLEMS: problems}


def chosen(defs: dg.Definitions, flow: Sequence[Step], options: RunOptions) -> list[Step]:
    """Returns the steps of one stage, or those up to a stage.

    Raises:
        ValueError: the plan has no such stage.
    """
    graph = defs.resolve_asset_graph()
    stages = [{each.job, *(str(graph.get(dg.AssetKey(asset)).group_name) for asset in each.assets)} for each in flow]
    for stage in (options.only, options.until):
        if stage is not None and not any(stage in each for each in stages):
            raise ValueError(f"the plan has no stage {stage!r}; {suggest_names(stage, set().union(*stages))}")
    last = len(flow)
    if options.until is not None:
        last = 1 + max(position for position, each in enumerate(stages) if options.until in each)
    return [
        each
        for each, names in zip(flow[:last], stages[:last], strict=True)
        if options.only is None or options.only in names
    ]


def _planned(estimates: RunEstimates, run: PlannedRun) -> dict[str, Any]:
    """Returns a run that would be made, with its estimated cost and what that is taken from."""
    return {"run": run.label, "assets": list(run.assets), **asdict(estimates.of(run))}


def _total(planned: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the seconds of the runs whose cost is known, and the number of the others."""
    known = [each["seconds"] for each in planned if each["seconds"] is not None]
    return {"seconds": round(sum(known), 1), "runs": len(planned), "of unknown cost": len(planned) - len(known)}


class ShownProgress:
    """Shows each run on the terminal, with the time that it is expected to take."""

    def __init__(self, instance: dg.DagsterInstance, console: Console | None = None) -> None:
        self._instance = instance
        self._console = console or Console(file=sys.stderr)
        self._status: Any = None
        self._num_skipped = 0

    def starting(self, run: PlannedRun) -> None:
        """Shows the run until it ends."""
        expected_s = RunEstimates(self._instance).of(run).seconds  # by all runs so far
        expected = f", about {expected_s:.0f} s" if expected_s is not None else ""
        if self._num_skipped:
            self._console.print(f"[dim]{self._num_skipped} up to date[/dim]")
            self._num_skipped = 0
        shown = terminal_line(f"{run.label} ({', '.join(run.assets)}{expected})")
        self._status = self._console.status(Text(shown))
        self._status.start()

    def ended(self, run: PlannedRun, seconds: float, failure: str | None) -> None:
        """Prints the outcome in a line."""
        self._status.stop()
        line = Text(f"{terminal_line(run.label)} {seconds:.1f} s ")
        if failure is None:
            line.append("done", style="green")
        else:
            line.append("failed", style="red").append(f": {shown_error(failure)}")
        self._console.print(line, highlight=False)

    def skipped(self, run: PlannedRun) -> None:
        """Counts what is up to date."""
        self._num_skipped += 1
