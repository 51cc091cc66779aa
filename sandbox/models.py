"""Re-exports the models of the services (one app label, one migrations folder)."""
