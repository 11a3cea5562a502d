"""Build a Darts model, fit it, save it."""
