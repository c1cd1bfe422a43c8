"""Views as text and plain data: for a terminal, for programs. They compute nothing."""
