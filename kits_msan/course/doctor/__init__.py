"""Whether this machine can run the course, with which profile, in how many minutes."""
