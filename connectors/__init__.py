"""Extract and land: contracts, interface kinds, formats, landing, ledger, quarantine, PII store."""
