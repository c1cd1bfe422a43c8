"""The study of the chip: the measured experiments, predicted."""
