"""HTTP: the way to the vendor, connections that are shared, requests and answers in httpx's terms."""
