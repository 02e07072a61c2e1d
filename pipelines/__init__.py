"""Orchestration and composition: settings, build, publish, command line, Dagster definitions.

The only package that reads the clock and the environment, and the only one that imports dagster
(in `definitions`, `assets` and `resources`).
"""
