"""Attacks on a rendered project: damaged and hostile files, killed processes, broken numbers."""
