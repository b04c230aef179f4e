"""Measurements of cuvisc beside other ways to do the same work: ``python -m benchmarks``. They promise nothing."""
