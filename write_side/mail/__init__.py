"""Mail to customers about their orders; who they are is read when it is sent."""
