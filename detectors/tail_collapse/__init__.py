"""C7: does what was rare vanish from what the model shows or answers?"""
