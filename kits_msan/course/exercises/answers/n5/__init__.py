"""Solutions and mistakes of notebook 5."""
