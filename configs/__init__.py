"""YAML presets per stage: `base.yaml` is complete, every other holds only what differs and why."""
