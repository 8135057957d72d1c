"""The process manager of orders that are paid first: it ends each either paid and handed over, or fully undone."""
