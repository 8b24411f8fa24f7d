"""What was learnt, as training data: replies that were liked, and pairs of better and worse.

Knows no trainer. Only ratings whose rater agrees to training count; everything that is left out is
counted by its reason.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rolecraft.errors import ResultsError
from rolecraft.store.rating_rows import Table

_MIN_CHARS = 2


@dataclass(frozen=True)
class Harvest:
    """Examples for supervised and for preference training, and why others were left out."""

    liked: tuple[dict[str, Any], ...]
    preferred: tuple[dict[str, Any], ...]
    left_out: Mapping[str, int]


def harvest(
    table: Table, prompts: Mapping[str, Sequence[Mapping[str, str]]], *, threshold: float = 4.0
) -> Harvest:
    """Examples from current ratings; `prompts` holds the rendered messages of each reply.

    A reply is liked when its values over all raters average `threshold` or more. A pair is taken
    when more votes prefer one reply than the other.
    """
    left_out: Counter[str] = Counter()
    rows = list(_usable(table, left_out))
    values: dict[str, list[int]] = {}
    votes: dict[tuple[str, str], int] = {}
    texts: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        texts[row["generation"]] = row
        if row["value"] is not None:
            values.setdefault(row["generation"], []).append(row["value"])
        if row["outcome"] == "won":
            pair = row["generation"], row["other_generation"]
            votes[pair] = votes.get(pair, 0) + 1
    liked = [
        _sft(texts[reply], prompts[reply], sum(given) / len(given), len(given))
        for reply, given in values.items()
        if _keeps(reply, texts, prompts, left_out)
        and _enough(sum(given) / len(given) >= threshold, left_out)
    ]
    preferred = [
        _pair(texts[better], texts[worse], prompts[better], count - votes.get((worse, better), 0))
        for (better, worse), count in votes.items()
        if worse in texts and _keeps(better, texts, prompts, left_out)
        and _clear(count > votes.get((worse, better), 0), left_out)
    ]  # fmt: skip
    return Harvest(
        tuple(_distinct(liked, ("messages",), left_out)),
        tuple(_distinct(preferred, ("prompt", "chosen", "rejected"), left_out)),
        dict(left_out),
    )


def save(found: Harvest, folder: Path) -> dict[str, Path]:
    """Write `sft.jsonl`, `preferences.jsonl` and `counts.json` into a folder."""
    files = {"sft.jsonl": found.liked, "preferences.jsonl": found.preferred}
    counts = {"sft": len(found.liked), "preferences": len(found.preferred)}
    body = counts | {"left_out": dict(found.left_out)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in files.items():
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / name).write_text("".join(lines), "utf-8")
        (folder / "counts.json").write_text(json.dumps(body, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise ResultsError(f"{folder} cannot be written: {error.strerror}.") from error
    return {name: folder / name for name in (*files, "counts.json")}


def _usable(table: Table, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in zip(*table.values(), strict=True):
        found = dict(zip(table, row, strict=True))
        reason = _reason(found)
        if reason is None:
            yield found
        elif found["criterion"]:
            left_out[reason] += 1


def _reason(row: Mapping[str, Any]) -> str | None:
    if row["current"] != 1 or row["criterion"] == "":
        return "not a current rating"
    if row["mode"] == "training" or row["item_kind"] == "degraded" or row["source"] == "degraded":
        return "training round or degraded copy"
    if "train" not in row["consents"].split(",") or row["rater_status"] != "active":
        return "no consent to training"
    if row["excluded"]:
        return "failed a rule"
    return None


def _keeps(
    reply: str,
    texts: Mapping[str, Mapping[str, Any]],
    prompts: Mapping[str, Sequence[Mapping[str, str]]],
    left_out: Counter[str],
) -> bool:
    row = texts[reply]
    if reply not in prompts:
        reason = "prompt erased"
    elif row["leak_models"] or row["leak_broken"]:
        reason = "names a model or leaves the role"
    elif row["finish"] != "stop":
        reason = "not finished"
    elif len(row["reply_text"].strip()) < _MIN_CHARS:
        reason = "too short"
    else:
        return True
    left_out[reason] += 1
    return False


def _enough(holds: bool, left_out: Counter[str]) -> bool:
    left_out["not liked enough"] += not holds
    return holds


def _clear(holds: bool, left_out: Counter[str]) -> bool:
    left_out["votes undecided"] += not holds
    return holds


def _said(row: Mapping[str, Any]) -> str:
    emotion = f"（{row['emotion']}）" if row["emotion"] else ""
    return emotion + str(row["reply_text"])


def _sft(
    row: Mapping[str, Any], prompt: Sequence[Mapping[str, str]], mean: float, n: int
) -> dict[str, Any]:
    messages = [dict(one) for one in prompt]
    return {
        "messages": [*messages, {"role": "assistant", "content": _said(row)}],
        "character": row["character"], "arm": row["arm"], "mean": mean, "ratings": n,
    }  # fmt: skip


def _pair(
    better: Mapping[str, Any],
    worse: Mapping[str, Any],
    prompt: Sequence[Mapping[str, str]],
    margin: int,
) -> dict[str, Any]:
    return {
        "prompt": [dict(one) for one in prompt],
        "chosen": [{"role": "assistant", "content": _said(better)}],
        "rejected": [{"role": "assistant", "content": _said(worse)}],
        "character": better["character"], "margin": margin,
    }  # fmt: skip


def _distinct(
    rows: Sequence[dict[str, Any]], keys: Sequence[str], left_out: Counter[str]
) -> Iterator[dict[str, Any]]:
    seen = set()
    for row in rows:
        key = json.dumps([row[name] for name in keys], ensure_ascii=False)
        if key in seen:
            left_out["said before"] += 1
            continue
        seen.add(key)
        yield row
