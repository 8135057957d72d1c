"""Tests of `operations/servers`."""
