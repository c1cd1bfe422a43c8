"""What a chip is, as data: its description, how it is read, and its fabric of links."""
