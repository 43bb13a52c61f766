"""The common part of watches on a table of shares: what a window of votes does to the reference and to the bets."""
