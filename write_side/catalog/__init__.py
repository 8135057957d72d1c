"""What the store sells: editions, their facts and their prices."""
