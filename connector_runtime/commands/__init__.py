"""The command line: one function a command, over everything else and imported by nothing."""
