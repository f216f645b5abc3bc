"""Rhythmic Head (Chen et al. 2020): the default renderer and its training."""
