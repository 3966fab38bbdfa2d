"""The connector's rivals, each used as its own documentation shows."""
