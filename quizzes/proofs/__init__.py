"""Executable proofs: small programs of ours that show on the running sandbox what an option claims."""
