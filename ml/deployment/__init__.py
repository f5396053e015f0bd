"""Deployment: a classifier exported as one artifact for inference, without PyTorch where another engine is faster."""
