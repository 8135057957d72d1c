"""Moving old events from the log's table to archive files."""
