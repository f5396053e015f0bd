"""Imports: feeds made of a folder of images or of tar files, with labels of subfolders or of a table."""
