"""A pelvis to operate on: procedural or imported, immutable once built."""
