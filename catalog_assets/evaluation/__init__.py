"""Evaluation: predictions, metrics, confusion, confidence, comparison, and the champion."""
