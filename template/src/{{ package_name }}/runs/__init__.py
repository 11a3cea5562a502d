"""The folder of a run, and what trackers get of it."""
