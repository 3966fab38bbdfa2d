"""Pacing: sends calls in order, within the vendor's limits and the platform's share of them."""
