"""The study of kernels: error and accuracy by kernel, sampler and size."""
