"""The types of inputs, one module each: its schema, how it is read, what a complaint says, how a form draws it."""
