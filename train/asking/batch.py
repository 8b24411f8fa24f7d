"""Large jobs by the OpenAI Batch API: requests out as JSON lines, answers in.

The custom id of a line is the address of its answer, so files may come back in any order, in
parts, or twice. Knows no stage. Uploading and waiting are the provider's own tools' work.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rolecraft.errors import TrainingError
from train.asking.answers import Answer, Answers
from train.asking.tasks import Request

# The limits of one file: https://platform.openai.com/docs/guides/batch
MOST_LINES = 50_000
MOST_BYTES = 200_000_000


def export(requests: Iterable[Request], path: Path) -> list[Path]:
    """Write the requests to `path`, or to `path` with -2, -3 … where one file is too small."""
    files: list[list[str]] = [[]]
    size = 0
    for request in requests:
        line = json.dumps(line_of(request), ensure_ascii=False) + "\n"
        length = len(line.encode())
        if files[-1] and (len(files[-1]) >= MOST_LINES or size + length > MOST_BYTES):
            files.append([])
            size = 0
        files[-1].append(line)
        size += length
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for n, lines in enumerate(files, start=1):
        target = path if n == 1 else path.with_stem(f"{path.stem}-{n}")
        target.write_text("".join(lines), "utf-8")
        written.append(target)
    return written


def line_of(request: Request) -> dict[str, Any]:
    """One line of a batch."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.model.name,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_new_tokens,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    return {
        "custom_id": request.key,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body,
    }


def take_in(files: Sequence[Path], wanted: Iterable[Request], answers: Answers) -> Counter[str]:
    """Store the answers of batch files. The counts: stored, known before, refused, of another job.

    A line is refused when the provider reports an error for it; it stays to be asked. Raises
    TrainingError for a file that is no output of a batch.
    """
    keys = {request.key for request in wanted}
    counts: Counter[str] = Counter()
    for path in files:
        for number, text in enumerate(_lines(path), start=1):
            if text.strip():
                key, answer = _read(path, number, text)
                counts[_taken(key, answer, keys, answers)] += 1
    return counts


def _taken(key: str, answer: Answer | None, keys: set[str], answers: Answers) -> str:
    if answers.get(key):
        return "known before"
    if key not in keys:
        return "of another job"
    if answer is None:
        return "refused"
    answers.put(key, answer)
    return "stored"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"The batch file {path} cannot be read: {error}.") from error


def _read(path: Path, number: int, text: str) -> tuple[str, Answer | None]:
    try:
        row = json.loads(text)
        key, response = row["custom_id"], row.get("response") or {}
        if row.get("error") or response.get("status_code") != 200:
            return str(key), None
        body = response["body"]
        choice, usage = body["choices"][0], body.get("usage") or {}
        finish = "length" if choice.get("finish_reason") == "length" else "stop"
        return str(key), Answer(
            str(choice["message"]["content"] or ""), int(usage.get("prompt_tokens", 0)),
            int(usage.get("completion_tokens", 0)), finish, 0.0, str(body.get("model", "")),
        )  # fmt: skip
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path}, line {number} is no line of a batch's output ({error!r}). Download the "
            "output file of the batch, not its input."
        ) from error
