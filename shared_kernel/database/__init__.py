"""The ways to PostgreSQL: login roles, pools whose waits are bounded, transactions that cannot forget their tenant."""
