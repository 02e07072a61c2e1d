"""Databases of partners: flag tables in both directions, and extracts of ordinary tables."""
