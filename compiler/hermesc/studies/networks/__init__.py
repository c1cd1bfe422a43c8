"""The chip's own networks: their cores, time, energy and accuracy beside the published ones."""
