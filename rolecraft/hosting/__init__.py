"""The hosted demo: `space.yaml` read, checked in words, and written as the folder to push."""

from rolecraft.hosting.check import check_space
from rolecraft.hosting.render import render_readme, render_space
from rolecraft.hosting.spec import Space, read_space

__all__ = ["Space", "check_space", "read_space", "render_readme", "render_space"]
