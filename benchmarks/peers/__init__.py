"""What others would write, or take from a package index, for the same job."""
