"""After the artifact: drive a device, run programs on it, measure and report."""
