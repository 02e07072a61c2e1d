"""Versions of the tables in `notifications.schema`, applied by `notifications.store.migrate`."""
