"""Webhooks: verified over raw bytes, recorded before they are acknowledged, delivered at least once."""
