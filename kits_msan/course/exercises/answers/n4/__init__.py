"""Solutions and mistakes of notebook 4."""
