"""Exports: the catalog and the dataset as files for other programs, written in a stream and complete or not at all."""
