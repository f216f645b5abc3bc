"""The facial-expression learner of Rhythmic Head (Chen et al. 2020)."""
