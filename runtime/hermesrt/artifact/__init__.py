"""The program file: its schema, its rules, reading and writing."""
