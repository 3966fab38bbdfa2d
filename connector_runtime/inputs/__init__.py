"""Inputs as a person or a platform gives them: what is accepted, why not, and the values that are sent."""
