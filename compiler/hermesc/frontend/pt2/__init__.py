"""A `.pt2` file of torch.export: read as data."""
