"""The solutions of the exercises, and the mistakes that are known: two exercises a file."""
