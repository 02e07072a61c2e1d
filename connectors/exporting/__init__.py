"""Exports: what we deliver to partners, and how they confirm it."""
