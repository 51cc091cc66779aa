"""An imaginary provider that speaks OpenAI's wire format, so that external models work without a key or the internet."""
