"""Solutions and mistakes of notebook 2."""
