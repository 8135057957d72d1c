"""What both sides' HTTP stands on: declared routes, one envelope, one table of problems, and two doors before them."""
