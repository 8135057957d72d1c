"""Every change of stock there ever was."""
