"""PostgreSQL and Valkey for one machine: found, started, shared between commands, and ended."""
