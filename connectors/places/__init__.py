"""Places: folders in which files are exchanged, local or behind a connection."""
