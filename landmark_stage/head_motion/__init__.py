"""The few-shot head-motion learner of Rhythmic Head (Chen et al. 2020)."""
