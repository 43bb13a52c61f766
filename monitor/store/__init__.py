"""What is remembered, and the one transaction that remembers it."""
