"""C5: at one and the same score, does more come of what the model shows than of what the holdout is shown?"""
