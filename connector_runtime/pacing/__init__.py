"""Pacing: calls go out in order, within the limits of the vendor and the share that the platform uses."""
