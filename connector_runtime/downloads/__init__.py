"""Downloads: the requests for files, parts on disk, and concurrent downloads."""
