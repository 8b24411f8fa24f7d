"""Characters on disk: the shelf they stand on and the values they are made of."""

from rolecraft.characters.marked import Problem
from rolecraft.characters.model import FIELD_NAMES, Character, Dialogue, Question, field_name
from rolecraft.characters.shelf import Shelf, read_shelf

__all__ = [
    "FIELD_NAMES",
    "Character",
    "Dialogue",
    "Problem",
    "Question",
    "Shelf",
    "field_name",
    "read_shelf",
]
