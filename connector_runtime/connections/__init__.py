"""Connections: obtains, stores and renews tokens, and supplies them to requests."""
