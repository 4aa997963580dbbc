"""Solutions and mistakes of notebook 3."""
