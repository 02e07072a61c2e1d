"""Meaning: declarations, dimensions, cubes, queries, scope and snapshot access."""
