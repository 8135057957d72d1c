"""What has left for customers: one row a fulfilment."""
