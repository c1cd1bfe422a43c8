"""From the user's file to our graph."""
