"""Geometry of rendering: face mesh, topology, rasteriser, motion matcher."""
