"""Presets: the exports of shop systems and the feeds of other platforms, by their own names; one file each."""
