"""The command line, with one function per command. It may use every other package; none of them uses it."""
