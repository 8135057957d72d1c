"""Projecting an order log: ours, by hand, in one statement of SQL, and by the `eventsourcing` library."""
