"""RoleCraft: talk with everyday characters, compare who plays them, rate what was said."""

__version__ = "0.1.0"
