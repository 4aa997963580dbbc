"""Solutions and mistakes of notebook 1."""
