"""Payments as a store reconciles them: one row a payment, with every amount beside each other."""
