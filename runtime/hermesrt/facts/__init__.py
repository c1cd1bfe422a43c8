"""What is known of a program and of its run, in words: terminal, page and JSON all say it."""
