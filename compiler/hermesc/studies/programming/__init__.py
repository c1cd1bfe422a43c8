"""The study of programming: what each method reaches on one crossbar."""
