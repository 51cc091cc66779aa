"""Pages of the study side, one module for each audience."""
