"""The solutions of the exercises, and the mistakes that are known: one or two exercises a file."""
