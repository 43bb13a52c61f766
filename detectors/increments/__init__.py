"""Log e-increments: L >= 0 with E[L | past] <= 1 under the null. One file each; every function is pure and vectorised."""
