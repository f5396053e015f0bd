"""Automation: monitoring, retraining, alerts, retention and the warehouse."""
