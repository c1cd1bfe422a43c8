"""Jobs of a study: where they run, and what is finished."""
