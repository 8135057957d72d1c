"""Tests of `shared_kernel`."""
