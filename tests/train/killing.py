"""Runs a stage in a process of its own, and kills it (SIGKILL) before one of its changes to a disk.

A change is what Python is about to do below one folder: open a file to write, rename, remove, make
a folder (counted once: threads that find none each try to make it). Processes are forked from a
server that has the heavy libraries loaded.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LOADED = (
    "train.__main__", "train.importers.roleinstruct", "train.lint", "train.annotate",
    "train.profile", "train.instruct", "train.respond", "train.emotions", "train.tokenizer",
    "train.pretrain", "train.adapter", "train.tuning.loop", "train.tuning.proof",
    "train.preference", "train.encoder", "train.ablate", "train.export",
    "rolecraft.engines.chatglm3", "rolecraft.engines.merging", "rolecraft.engines.fast_tokenizer",
    "transformers.models.glm.modeling_glm", "transformers.models.bert.modeling_bert",
    "transformers.generation", "accelerate", "peft", "trl", "datasets",
    "torch.utils.tensorboard", "sklearn.svm", "sentencepiece", "openai", "pytest",
)  # fmt: skip
_CHANGES = ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.symlink")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SECONDS = 120.0


class Killed(Exception):
    """A stage that should have ended by itself and did not; the text is what it said."""


def changes(arguments: Sequence[object], folder: Path) -> int:
    """Run `python -m train ARGUMENTS` in `folder` to its end; how often it changed the disk."""
    exitcode, told = _run(arguments, folder, 0)
    if exitcode or told is None or told[0] not in (0, 1):
        said = (folder / "said.txt").read_text("utf-8", errors="replace")
        raise Killed(f"{arguments[0]}: {exitcode}, {told}: {said}")
    return int(told[1])


def killed(arguments: Sequence[object], folder: Path, at: int) -> bool:
    """Run it until it is killed before its change number `at`; whether it was."""
    return _run(arguments, folder, at)[0] == -signal.SIGKILL


def _run(
    arguments: Sequence[object], folder: Path, at: int
) -> tuple[int | None, tuple[int, int] | None]:
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(list(LOADED))
    mine, theirs = server.Pipe(duplex=False)
    given = ([str(one) for one in arguments], str(folder), at, dict(os.environ), theirs)
    process = server.Process(target=_stage, args=given)
    process.start()
    theirs.close()
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise Killed(f"{arguments[0]} took more than {SECONDS:.0f} s.")
    try:
        told = mine.recv() if mine.poll() else None
    except EOFError:
        told = None
    mine.close()
    return process.exitcode, told


def _stage(
    arguments: list[str], folder: str, at: int, environment: dict[str, str], told: Connection
) -> None:
    from train.__main__ import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    seen = 0
    made: set[str] = set()

    def watch(event: str, values: tuple[Any, ...]) -> None:
        nonlocal seen
        path = _changed(event, values, folder)
        if not path or (event == "os.mkdir" and path in made):
            return
        if event == "os.mkdir":
            made.add(path)
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    status = main(arguments)
    told.send((status, seen))


def _changed(event: str, values: tuple[Any, ...], folder: str) -> str:
    """The path below `folder` that is about to change, or nothing."""
    changes = event in _CHANGES or (event == "open" and values[2] & _WRITES)
    if not changes or not isinstance(values[0], str | bytes | os.PathLike):
        return ""
    path = os.path.abspath(os.fsdecode(values[0]))
    return path if path.startswith(folder + os.sep) else ""
