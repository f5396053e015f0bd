"""Feeds: one reader a format, encodings, archives, sources, deliveries and their registration."""
