"""The conformance kit: samples, checks and documents for partners, and drafts of mappings."""
