"""The operators' API and the console: a deployable of its own, with the operator's login to both databases."""
