"""Downloads: requests for files and their answers, parts on disk, and several files at once."""
