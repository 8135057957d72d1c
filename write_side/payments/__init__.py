"""Payments: what an order's money does, its ledger, and the operations that ask the provider to move it."""
