"""The quarantine: records set aside, kept for replay, sent through again."""
