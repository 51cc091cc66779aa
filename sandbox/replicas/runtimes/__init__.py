"""What a jailed runner can hold: one module for each kind of model, each with `load(model_bytes)`."""
