"""Machines of the literature beside each other, by one cost model where they can be costed."""
