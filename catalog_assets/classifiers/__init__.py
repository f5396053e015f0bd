"""Classifiers: trained, searched, distilled and combined; attributes, label shares, image with title."""
