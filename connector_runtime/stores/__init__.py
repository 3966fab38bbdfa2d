"""Stores of small values by key, with versions, leases and encryption at rest."""
