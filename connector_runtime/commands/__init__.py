"""The command line, with one function per command. It uses all other packages, and none of them uses it."""
