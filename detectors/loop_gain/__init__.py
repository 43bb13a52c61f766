"""C4, loop gain: how much of a push on an item's exposure now comes back, by the model's doing, after it is retrained.

The estimand is the elasticity of an item's share of what the policy shows k retrainings later, with respect to an exogenous
change of its share of all exposure now, everything else left alone: h_k. With a training window of m periods the model's own
kernel is g_k = h_k - sum over i < k of g_i h_{k-i}, and the total gain is g_1 + .. + g_m: a loop multiplies what comes from
outside by 1 / (1 - total), and runs away from 1 on. The total is estimated as if the m periods counted alike, which makes it a ratio
of two sums over pairs (`estimate.over_window`): in the simulated world, trained on three periods, that gives 1.04 where the kernel's
own sum is 1.04, and unlike that sum it does not run off where pushes say little.

It is measured with pushes drawn by coins (`monitor.client.tilt`): neighbours in popularity are paired, one is lifted and the
other lowered, in some of the requests; the untilted rest shows what the policy does by itself. Only the coins are relied on:
no model of the recommender, of tastes or of seasons. What is learned is net of substitution between the two of a pair.

The regression of shares on the shares before is never a loop gain, however it is controlled: it takes for feedback that what
people like stays liked. In a world without any feedback it says .8 (`make loop-bench` shows it beside this estimator).

Source: Anderson and Rubin 1949, Annals of Mathematical Statistics 20 (inference with weak instruments); Hoeffding 1963 and
Howard, Ramdas, McAuliffe and Sekhon 2020, Probability Surveys (signs); Fisher 1935 (only the coins are random).
"""
