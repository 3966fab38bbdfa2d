"""Benchmarks of the connector against its rivals: `make bench`."""
