"""A sweep: one model at many settings, on all processors or a cluster."""
