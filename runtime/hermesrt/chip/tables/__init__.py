"""The tables of a chip, a module for each subject: a frozen class each, units in the names."""
