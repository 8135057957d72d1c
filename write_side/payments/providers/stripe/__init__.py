"""Stripe's PaymentIntents over HTTP: authorise with manual capture, capture, cancel, refund, and look up."""
