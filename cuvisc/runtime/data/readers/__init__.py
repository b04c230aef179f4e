"""Readers of cubes, one format a file: a module here with `SUFFIXES` and `open_array` is a reader. NumPy only."""
