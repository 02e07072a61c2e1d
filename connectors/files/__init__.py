"""The file interface: data files with send logs and read logs."""
