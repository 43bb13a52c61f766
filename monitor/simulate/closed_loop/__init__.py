"""A world in which a recommender feeds on itself: people, items, a model retrained on its own logs, and a random holdout.

`world.periods` runs it, `events.write` turns it into our events. The mechanism follows Chaney, Stewart and Engelhardt 2018 ("How
algorithmic confounding in recommendation systems increases homogeneity and decreases utility", RecSys) and Jiang et al. 2019
("Degenerate feedback loops in recommender systems", AIES): tastes drift towards what is clicked, and only what is shown can be
clicked.
"""
