"""Views of what was compiled and run: for a terminal, for programs, for a browser."""
