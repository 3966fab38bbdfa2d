"""Connections: obtains, stores and renews tokens, and supplies requests with them."""
