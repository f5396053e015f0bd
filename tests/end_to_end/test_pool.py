"""Two trainings launched at once, with the real daemon: one device, one of them on it at a time."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from tests.conftest import REPOSITORY, TinyCatalogue
from tests.end_to_end.services import copy_of, serving, until

ENCODERS = ("simclr-mnv3", "vicreg-mnv3")
DEVICE_STEPS = ("encoders", "embeddings")


def launch(encoder: str, root: Path, home: Path) -> subprocess.Popen[bytes]:
    tags = json.dumps({"dagster/partition": encoder, "test": "pool"})
    command = [sys.executable, "-m", "dagster", "job", "launch", "-w", "workspace.yaml", "-j", "encode", "--tags", tags]
    environment = {**os.environ, "SHELFSIGHT_STORE": str(root), "DAGSTER_HOME": str(home)}
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.end_to_end
@pytest.mark.timeout(480)
def test_two_runs_on_one_device_queue_instead_of_thrashing(tiny_catalogue: TinyCatalogue, tmp_path: Path) -> None:
    root = copy_of(tiny_catalogue, tmp_path)
    home = root / "dagster"
    launching = [launch(encoder, root, home) for encoder in ENCODERS]
    assert [process.wait() for process in launching] == [0] * len(ENCODERS)
    with serving(root), dg.DagsterInstance.from_config(str(home)) as instance:  # finds both in its queue
        wanted = dg.RunsFilter(tags={"test": "pool"}, statuses=[dg.DagsterRunStatus.SUCCESS])
        until(lambda: len(instance.get_runs(wanted)) == len(ENCODERS), 240, "both runs' success")
        records = instance.get_run_records(wanted)
        steps = [
            (stats.start_time, stats.end_time)
            for record in records
            for stats in instance.get_run_step_stats(record.dagster_run.run_id)
            if stats.step_key in DEVICE_STEPS and stats.start_time and stats.end_time
        ]
    assert len(steps) == len(ENCODERS) * len(DEVICE_STEPS)
    overlaps = [earlier for earlier, later in pairwise(sorted(steps)) if later[0] < earlier[1]]
    assert overlaps == []
    queued = [record.create_timestamp.timestamp() for record in records]
    ended = [record.end_time for record in records if record.end_time]
    assert max(queued) < min(ended)  # four runs may be under way at once: it was the device that one waited for
