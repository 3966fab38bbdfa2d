"""Connections: how a token is got, kept, renewed by one at a time, and given to requests."""
