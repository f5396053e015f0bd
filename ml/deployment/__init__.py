"""Deployment: a classifier as one artefact that answers fast, without PyTorch where something faster runs."""
