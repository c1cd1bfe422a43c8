"""The search of settings that are best for accuracy, energy, time or cores."""
