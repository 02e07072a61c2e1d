"""The intake: the thin door through which staff and the public submit and follow feedback."""
