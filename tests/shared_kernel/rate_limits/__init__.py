"""Tests of `shared_kernel/rate_limits`."""
