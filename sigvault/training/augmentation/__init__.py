"""Random changes that a signature survives. No mirror images, and nothing is stretched."""
