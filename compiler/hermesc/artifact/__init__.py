"""The program file: its schema, its container, reading and writing."""
