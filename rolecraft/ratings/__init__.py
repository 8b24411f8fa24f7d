"""Ratings beyond their rows: what is shown next, what the numbers say, what leaves the house."""
