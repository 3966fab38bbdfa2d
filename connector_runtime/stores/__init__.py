"""Stores: small values by key, written only if unchanged, with leases, and encrypted at rest."""
