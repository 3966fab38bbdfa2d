"""One call: the request that values become, the answer read, and what happens over time as a generator of steps."""
