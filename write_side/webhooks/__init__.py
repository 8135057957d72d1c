"""Webhooks: receivers of a store's public events, told by the rules of Standard Webhooks 1.0."""
