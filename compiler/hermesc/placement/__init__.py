"""Where matrices go: how they are cut and copied, which core holds what, and how good that is."""
