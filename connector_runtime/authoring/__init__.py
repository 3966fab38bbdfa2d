"""Tools for authors of definitions: a first draft from an OpenAPI document, and the flows that a change breaks."""
