"""Dataset: usable products, grouped by duplicates and split without leaks."""
