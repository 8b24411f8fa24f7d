"""Rebuilds what RoleCraft talks with: tokeniser, base model, adapters and encoder, a stage a file."""
