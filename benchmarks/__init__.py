"""One script per group of claims: each prints a table and keeps its figures in `results/`."""
