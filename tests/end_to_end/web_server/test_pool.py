"""Two trainings launched at once, with the real daemon: only one at a time uses the device."""

from itertools import pairwise

import dagster as dg
import pytest

from tests.end_to_end.web_server.conftest import QUEUED, QUEUED_ENCODERS
from tests.patience import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser]  # with the services of the browser

DEVICE_STEPS = ("encoders", "embeddings")


def test_two_runs_on_one_device_queue_instead_of_thrashing(instance: dg.DagsterInstance) -> None:
    wanted = dg.RunsFilter(tags=QUEUED, statuses=[dg.DagsterRunStatus.SUCCESS])
    until(lambda: len(instance.get_runs(wanted)) == len(QUEUED_ENCODERS), "both runs' success")
    records = instance.get_run_records(wanted)
    steps = [
        (stats.start_time, stats.end_time)
        for record in records
        for stats in instance.get_run_step_stats(record.dagster_run.run_id)
        if stats.step_key in DEVICE_STEPS and stats.start_time and stats.end_time
    ]
    assert len(steps) == len(QUEUED_ENCODERS) * len(DEVICE_STEPS)
    overlaps = [earlier for earlier, later in pairwise(sorted(steps)) if later[0] < earlier[1]]
    assert overlaps == []
    queued = [record.create_timestamp.timestamp() for record in records]
    ended = [record.end_time for record in records if record.end_time]
    assert max(queued) < min(ended)  # four runs may be under way at once: it was the device that one waited for
