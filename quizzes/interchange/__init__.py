"""Items to and from the formats of other systems, each with a report of what got lost."""
