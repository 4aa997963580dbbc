"""Tests of the slice viewer in a real browser; also used by benchmarks/viewer.py."""
