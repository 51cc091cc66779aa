"""Limits that both ways of reading a body know."""

LARGEST_FLOAT32 = 3.4028234663852886e38
