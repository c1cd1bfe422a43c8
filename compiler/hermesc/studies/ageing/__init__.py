"""The study of ageing: what a network loses over a month, with and without recalibration."""
