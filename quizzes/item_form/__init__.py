"""The form for items whose options are chosen: it reads an item's YAML and writes only the lines that were changed."""
