"""File formats: one module per format, each turns a file into the table `record`."""
