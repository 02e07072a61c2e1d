"""Telling: accounts, digests, alerts, planner, outbox, dispatcher and transports."""
