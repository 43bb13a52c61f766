"""What is watched: plans, windows, spending, gates, findings."""
