"""Readers of cubes, one format a file: a module here with `SUFFIXES` and `open_cube` is a reader. Never torch."""
