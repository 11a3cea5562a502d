"""Tests that prove the engine: parity with Darts, 49 machines, kill -9, every broken file.

They run against a project with all features. What guards a user's own changes is rendered, in
``template/tests``.
"""
