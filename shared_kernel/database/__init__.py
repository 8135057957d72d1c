"""The ways to PostgreSQL: who logs in as what, pools with every wait bounded, and transactions that cannot forget their tenant."""
