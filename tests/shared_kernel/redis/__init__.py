"""Tests of `shared_kernel/redis`."""
