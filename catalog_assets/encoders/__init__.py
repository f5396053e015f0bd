"""Encoders: pretrained image encoders, their embeddings, their quality and similarity indexes."""
