"""Calls: turns inputs into requests, and responses into pages or errors."""
