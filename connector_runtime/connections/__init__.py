"""Connections: tokens are obtained, stored, renewed by one process at a time, and given to requests."""
