"""Engines ready to answer single conversations, for commands that fill the bank of replies."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rolecraft import chat
from rolecraft.characters import Character, Shelf
from rolecraft.conversation import Conversation, Reply
from rolecraft.engines.base import Engine
from rolecraft.services import command_knowledge, open_catalog
from rolecraft.settings import Settings

Ask = Callable[[Character, Conversation], Reply]


@contextmanager
def asker(settings: Settings, seed: int) -> Iterator[tuple[Shelf, Callable[[str], Ask]]]:
    """The shelf, and a function that turns the name of an engine into something to ask."""
    with command_knowledge(settings) as (shelf, encoder, index):
        catalog = open_catalog(settings, shelf, encoder)

        def ready(name: str) -> Ask:
            engine, budget, entry = catalog.open(name), catalog.budget(name), catalog.entry(name)
            sampling = dataclasses.replace(entry.sampling, seed=seed)

            def ask(character: Character, conversation: Conversation) -> Reply:
                request = chat.Request(character, conversation, engine, budget, sampling)
                answering = chat.start(request, index)
                for _ in answering:
                    pass
                return answering.reply

            return ask

        yield shelf, ready


@contextmanager
def engines(settings: Settings) -> Iterator[Callable[[str], Engine]]:
    """A function that opens the engine of a name."""
    with command_knowledge(settings) as (shelf, encoder, _):
        yield open_catalog(settings, shelf, encoder).open
