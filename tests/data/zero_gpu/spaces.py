"""A stand-in for ZeroGPU's package: every call runs in a process that is forked for it.

As with the real one, what goes in and comes out is pickled, what the call changes is lost with its
process, an error comes back without its text, and a caller who stops ends the call at its next
piece. A class of errors stands for gradio's.
"""

import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from typing import Any

CALLS: list[float] = []  # seconds that each call asked for


class Error(Exception):
    """What the caller sees of an error of the call."""


def GPU(duration: Callable[..., float]) -> Callable[[Any], Any]:  # noqa: N802
    """The mark."""

    def mark(task: Any) -> Any:
        def call(*given: Any) -> Iterator[Any]:
            CALLS.append(duration(*given))
            fork = multiprocessing.get_context("fork")
            said, stop = fork.SimpleQueue(), fork.Event()
            sent = pickle.dumps(given)
            process = fork.Process(target=_run, args=(task, sent, said, stop), daemon=True)
            process.start()
            try:
                while (kind_value := said.get())[0] != "end":
                    if kind_value[0] == "error":
                        raise Error(f"ZeroGPU worker error: {kind_value[1]}")
                    yield pickle.loads(kind_value[1])
            finally:
                stop.set()
                process.join(60)
                assert process.exitcode == 0

        return call

    return mark


def _run(task: Any, sent: bytes, said: Any, stop: Any) -> None:
    pieces = task(*pickle.loads(sent))
    try:
        for piece in pieces:
            if stop.is_set():
                pieces.close()
                break
            said.put(("piece", pickle.dumps(piece)))
    except Exception as error:
        said.put(("error", type(error).__name__))
    said.put(("end", None))
