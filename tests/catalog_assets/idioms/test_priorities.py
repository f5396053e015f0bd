"""Priorities: queued runs start in the order new feeds, people's, refreshes, re-predictions, retrainings.

The tests of the sensors check that each requests its runs with its priority.
"""

from catalog_assets.automation.conditions_sensor import automation_sensor
from catalog_assets.idioms import priorities
from tests.dagster_internals import PRIORITY_TAG

PERSONS_RUN = 0  # Dagster's default


def test_a_new_feed_comes_before_people_s_runs_and_these_before_what_runs_by_itself() -> None:
    tags = (priorities.NEW_FEED, priorities.REFRESH, priorities.REPREDICTION, priorities.RETRAINING)
    new_feed, *by_itself = (int(tag[PRIORITY_TAG]) for tag in tags)
    order = [new_feed, PERSONS_RUN, *by_itself]
    assert order == sorted(set(order), reverse=True)


def test_automation_conditions_request_refreshes() -> None:
    assert priorities.REFRESH.items() <= automation_sensor.run_tags.items()
