"""Downloads: requests for files, parts on disk, and concurrent downloads."""
