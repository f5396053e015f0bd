"""Network: the one guard that stands on every way out, and the clients that pass it."""
