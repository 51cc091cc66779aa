"""The steps that the program `play` knows: what each does on an endpoint, and the facts that it reports."""
