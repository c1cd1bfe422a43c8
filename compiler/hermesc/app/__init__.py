"""Applications of compiler and simulator together: digital fallback, scikit-learn."""
