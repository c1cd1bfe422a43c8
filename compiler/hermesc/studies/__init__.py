"""Studies: published experiments run again on the simulated chip, and compared."""
