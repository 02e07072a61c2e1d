"""What runs inside Superset's own environment: imports what is installed there, nothing of ours."""
