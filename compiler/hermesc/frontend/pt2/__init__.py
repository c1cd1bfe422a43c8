"""Exported programs (`.pt2`): read by us, checked against a closed schema, then loaded by torch."""
