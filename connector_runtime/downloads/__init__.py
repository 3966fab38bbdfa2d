"""Downloads: requests for files, parts on disk, and several downloads at once."""
