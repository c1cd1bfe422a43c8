"""The digital operations of a program: one row an operation, how to call it, how it streams."""
