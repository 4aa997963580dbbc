"""The questions with choices of the five notebooks."""
