"""Priorities of queued runs, as tags: of the runs that wait, Dagster starts those with the highest first.

A run that a person launches has priority 0: before everything that runs by itself, except for new feeds.
"""

NEW_FEED = {"dagster/priority": "10"}
REFRESH = {"dagster/priority": "-10"}  # requested by an automation condition
REPREDICTION = {"dagster/priority": "-20"}
RETRAINING = {"dagster/priority": "-30"}
