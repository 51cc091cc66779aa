"""The study product: items, attempts, labs, cohorts."""
