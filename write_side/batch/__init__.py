"""Up to a hundred commands in one request, each with its own key and outcome."""
