"""Filling builds in bulk, in processes of their own: fold a store's log in memory, COPY what came of it."""
