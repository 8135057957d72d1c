"""Who may do what: API keys, roles, the principal behind a request, and the policy each route declares."""
