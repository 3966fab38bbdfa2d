"""What a definition is written with: places, codecs, conditions, patterns. The files are read in `definitions/`."""
