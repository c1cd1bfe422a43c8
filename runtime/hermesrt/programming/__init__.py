"""Weight programming: it drives a Device and knows no simulator."""
