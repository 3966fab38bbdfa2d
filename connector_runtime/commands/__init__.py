"""The command line: one function a command, over everything else; no other room imports it."""
