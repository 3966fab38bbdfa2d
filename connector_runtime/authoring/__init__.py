"""Tools for the author of a definition: a first draft from an OpenAPI document, and what a change breaks."""
