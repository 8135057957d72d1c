"""The log's older part: files that hold what the table no longer does, and the manifest that says which."""
