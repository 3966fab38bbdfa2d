"""Tools for authors of definitions: drafts of actions, changes between catalogues, and the text of YAML files."""
