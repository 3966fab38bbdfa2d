"""The types of inputs: for each, its schema, conversion, complaints and form field."""
