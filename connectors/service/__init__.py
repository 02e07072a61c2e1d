"""The service: packets of other systems, once per client and id, within the key's scope."""
