"""The exercises of the five notebooks, and the checks that say right or wrong and why."""
