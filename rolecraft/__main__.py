"""`python -m rolecraft …`: the command line.

JSON on stdout with --json, errors on stderr; exit 0 when all is well, 1 when something failed or a
check found a fault, 2 for wrong arguments. Heavy libraries load inside the commands that need them.
"""

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rolecraft.admission import care, clean
from rolecraft.chat import Request, Retriever, start
from rolecraft.cli.boards import register as register_boards
from rolecraft.cli.data import register as register_data
from rolecraft.cli.ratings import register as register_ratings
from rolecraft.conversation import Conversation, Reply
from rolecraft.emotions import LABELS
from rolecraft.errors import RoleCraftError
from rolecraft.moderation import speaks_of_self_harm
from rolecraft.settings import Settings

Command = Callable[[argparse.Namespace, Settings], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = make_parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("rolecraft").setLevel(logging.INFO)  # libraries' news is not the user's
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # wants kernels nobody needs here
    try:
        settings = Settings.from_environment()
        command: Command = args.command
        return command(args, _with_arguments(settings, args))
    except RoleCraftError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0


def make_parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    parser = argparse.ArgumentParser(prog="python -m rolecraft", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = _add(commands, "serve", _serve, "start the page")
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=_whole(1, 65535), help="port to listen on (default 7860)")
    serve.add_argument("--profile", choices=("mini", "chatglm3"))

    characters = commands.add_parser("characters", help="the character folders")
    check = _add(characters.add_subparsers(required=True), "check", _check, "check them")
    check.add_argument("characters", nargs="?", metavar="DIR", type=Path)
    check.add_argument(
        "--against", metavar="DIR", type=Path, help="a collection from which nothing may be copied"
    )
    check.add_argument("--json", action="store_true")

    retrieve = _add(commands, "retrieve", _retrieve, "the passages a question finds")
    retrieve.add_argument("character")
    retrieve.add_argument("question")
    retrieve.add_argument("-k", type=_whole(1, 100), default=3)
    retrieve.add_argument(
        "--everyday", action="store_true", help="with what everybody says, as the chat asks"
    )
    _common(retrieve)

    chat = _add(commands, "chat", _chat, "talk; several TEXTs are turns")
    chat.add_argument("character")
    chat.add_argument("text", nargs="+")
    chat.add_argument("--engine")
    chat.add_argument("--seed", type=_whole(0, 2**31 - 1))
    chat.add_argument("--emotion", choices=LABELS, help="ask for this emotion")
    _common(chat)

    engines = _add(commands, "engines", _engines, "what can answer here, and what it needs")
    engines.add_argument("--json", action="store_true")

    results = commands.add_parser("results", help="numbers, tables and pictures of what is stored")
    kinds = results.add_subparsers(required=True, metavar="KIND")
    register_data(kinds)
    register_ratings(commands, kinds)
    register_boards(kinds)

    space = commands.add_parser("space", help="the hosted demo").add_subparsers(required=True)
    checked = _add(space, "check", _space_check, "check space.yaml")
    checked.add_argument("file", nargs="?", type=Path, default=Path("space.yaml"))
    checked.add_argument("--json", action="store_true")
    rendered = _add(space, "render", _space_render, "write the folder that is pushed")
    rendered.add_argument("out", type=Path, metavar="OUT")
    rendered.add_argument("file", nargs="?", type=Path, default=Path("space.yaml"))
    rendered.add_argument("--json", action="store_true")
    return parser


def _add(commands: Any, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--characters", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return parse


def _with_arguments(settings: Settings, args: argparse.Namespace) -> Settings:
    names = {field.name for field in dataclasses.fields(Settings)}
    given = {k: v for k, v in vars(args).items() if k in names and v is not None}
    return dataclasses.replace(settings, **given)


def _show(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _serve(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.ui.app import serve

    serve(settings)
    return 0


def _check(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.characters.check import check_folder, report_text

    report = check_folder(settings.characters, args.against)
    if args.json:
        _show(report)
    else:
        print(report_text(report))
    return 0 if report["ok"] else 1


def _retrieve(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.services import command_knowledge

    with command_knowledge(settings) as (shelf, _, index):
        found = index.retrieve(
            shelf.get(args.character), args.question, k=args.k, everyday=args.everyday
        )
    if args.json:
        _show([dataclasses.asdict(passage) for passage in found])
    else:
        for passage in found:
            mark = "*" if passage.used else " "
            print(f"{mark} {passage.similarity:.3f}  {passage.field}  {passage.text}")
    return 0


def _chat(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.services import command_knowledge, open_catalog

    texts = [clean(text, settings.message_limit) for text in args.text]
    with command_knowledge(settings) as (shelf, encoder, index):
        character = shelf.get(args.character)
        catalog = open_catalog(settings, shelf, encoder)
        name = args.engine or catalog.default
        engine, budget = catalog.open(name), catalog.budget(name)
        sampling = dataclasses.replace(catalog.entry(name).sampling, seed=args.seed)
        conversation = Conversation(character.id, character.greeting["zh"])
        replies = []
        for text in texts:
            if speaks_of_self_harm(text):
                reply = care("en" if text.isascii() else "zh")
            else:
                conversation = conversation.ask(text)
                reply = _answer(
                    Request(
                        character, conversation, engine, budget, sampling, emotion=args.emotion
                    ),
                    index,
                )
                conversation = conversation.answer(reply)
            replies.append(reply)
            if not args.json:
                _print_turn(character.name["zh"], text, reply)
    if args.json:
        _show([_as_json(reply) for reply in replies])
    return 0


def _answer(request: Request, index: Retriever) -> Reply:
    answering = start(request, index)
    for _ in answering:
        pass
    return answering.reply


def _print_turn(name: str, text: str, reply: Reply) -> None:
    emotion = f"（{reply.emotion}）" if reply.emotion else ""
    print(f"> {text}\n{name}：{emotion}{reply.text}\n")


def _as_json(reply: Reply) -> dict[str, object]:
    identity = reply.identity
    return {
        "reply": reply.text,
        "emotion": reply.emotion,
        "passages": [dataclasses.asdict(passage) for passage in reply.passages],
        "engine": identity.engine,
        "base": identity.base,
        "adapter": identity.adapter,
        "prompt_tokens": reply.prompt_tokens,
        "reply_tokens": reply.reply_tokens,
        "first_token_ms": reply.first_token_ms,
        "total_ms": reply.total_ms,
        "finish": reply.finish,
        "seed": reply.seed,
        "sampling": dataclasses.asdict(reply.sampling),
    }


def _engines(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.engines.catalog import Catalog

    catalog = Catalog(settings)
    cards = [entry.card for entry in catalog.entries.values()]
    if args.json:
        _show([dataclasses.asdict(card) for card in cards])
        return 0
    for card in cards:
        state = "ready" if card.available else f"not here: {card.remedy}"
        print(f"{card.name:16} {card.summary['en']}")
        print(f"{'':16} {card.memory or 'no weights'}; {state}")
    return 0


def _space_check(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.hosting import check_space

    problems = check_space(args.file)
    if args.json:
        _show({"problems": problems, "ok": not problems})
    else:
        print("\n".join(problems) or f"{args.file} is in order.")
    return 1 if problems else 0


def _space_render(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.hosting import render_space

    files = [file.as_posix() for file in render_space(args.file, args.out)]
    if args.json:
        _show({"out": str(args.out), "files": files})
    else:
        print(f"{len(files)} files are in {args.out}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
