"""The published experiment of kernels, which several studies share."""
