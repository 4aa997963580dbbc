"""What students build: solutions, and the mistakes that are known. Each is tried out through a function of inputs."""
