"""What runs inside Superset's own environment: imports Superset and the standard library only."""
