"""From scaled series to batches: windows, their order, and how they are loaded."""
