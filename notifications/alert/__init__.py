"""Alerts: rules as files, a pure state machine per series, and the evaluation of a publication."""
