"""What a chip is, as data: its description, its links, its defects, machines beside it."""
