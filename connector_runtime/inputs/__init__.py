"""Inputs from a person or a platform: their schema, their problems, and the values to send."""
