"""One script a claim in the README: each prints a table, and keeps its figures in ``results/``."""
