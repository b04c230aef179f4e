"""Nodes and leaves that cuvisc does not have."""
