"""Predictions meet what came of them: pending generations, units, the join."""
