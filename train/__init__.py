"""Rebuilds what RoleCraft talks with, a stage a file: tokeniser, base model, adapters, encoder."""
