"""Dialects of delimited text."""

DELIMITERS = ("\t", ",", ";", "|", "^", "~")
