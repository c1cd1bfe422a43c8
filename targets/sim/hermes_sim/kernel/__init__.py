"""The compiled kernel of a layer; without it torch gives the same bits, more slowly."""
