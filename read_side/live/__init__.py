"""The stream that says which views have moved, so that a client asks again exactly what changed."""
