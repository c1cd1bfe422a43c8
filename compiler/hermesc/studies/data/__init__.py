"""Data of the studies: where it comes from, and how the publication prepares it."""
