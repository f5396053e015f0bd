"""The command `shelfsight`: classify, search, query and inspect a catalog from a terminal."""
