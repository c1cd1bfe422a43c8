"""The self-contained page: its facts, its template, its scripts."""
