"""Ingestion: feeds parsed into products, their images downloaded, and the outcome of every download."""
