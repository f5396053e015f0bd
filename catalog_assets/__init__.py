"""The Dagster layer: every table, encoder and classifier as a software-defined asset."""
