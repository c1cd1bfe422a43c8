"""C functions for what torch and numpy are slow at; all of them have a slower equal in Python."""
