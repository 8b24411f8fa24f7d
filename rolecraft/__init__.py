"""RoleCraft: talk with everyday characters, compare the models that play them, rate what they said."""

__version__ = "0.1.0"
