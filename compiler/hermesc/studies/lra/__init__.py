"""Long Range Arena: Performers trained for the chip, and what they cost on it."""
