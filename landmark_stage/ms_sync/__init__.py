"""MS-Sync (Airale et al. 2023): the multi-scale landmark generator and its training."""
