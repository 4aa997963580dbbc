"""Collected student notebooks run and read: who passed which check, and which mistakes are common."""
