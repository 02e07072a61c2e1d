"""Showing: dashboards of the analysts' tool, generated from the cube declarations."""
