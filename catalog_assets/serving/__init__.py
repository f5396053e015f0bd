"""Serving: the deployed champion, and the categories of the whole catalog."""
