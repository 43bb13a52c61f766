"""Worlds and streams with a known truth, for the demo, for tests and for rehearsals."""
