"""Brings foreign files into a store through the same commands as everybody else."""
