"""What both sides' HTTP stands on: declared routes, one envelope, one table of problems, and the doors in front of them."""
