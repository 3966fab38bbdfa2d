"""The types of inputs: the schema of each, how it is read, what a complaint says, how a form draws it."""
