"""The networks in a page: no Python, no server, no network connection. Weights, scans and scripts for it."""
