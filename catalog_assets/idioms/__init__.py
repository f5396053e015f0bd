"""Dagster idioms of all assets: conditions, history, versions, retries, priorities, owners, checks, and metadata."""
