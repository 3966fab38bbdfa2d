"""The measurements of the connector beside its rivals: `make bench`."""
