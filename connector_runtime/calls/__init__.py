"""Calls, from inputs to a request, and from a response to a page or an error."""
