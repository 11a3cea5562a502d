"""Modules of your own: `copier update` never changes anything in this folder."""
