"""A payment provider to try everything with, that can be told to misbehave: `python -m operations.sandbox_provider`.

A process of its own, which speaks Stripe's PaymentIntents and keeps a ledger that outlives it.
"""
