"""The study of attention: the error of random-feature attention."""
