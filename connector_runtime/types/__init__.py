"""The types of inputs: the schema, reading, complaints and form field of each."""
