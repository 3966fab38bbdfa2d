"""One call: the request that values become, the answer read, and what happens over time; drive and client do it."""
