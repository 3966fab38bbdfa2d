"""Calls: from bound inputs to a request, from a response to a page or an error, and the steps between them."""
