"""Visitors of a page in a process of their own, so that their work is not counted as the page's.

    python -m benchmarks.serving_visitor http://127.0.0.1:7860

A line of JSON comes in for each round: what each of the visitors says, all at the same moment. One
goes out when the last has been answered: the seconds of each until its first words and its end.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

PATIENCE_S = 120.0


def say(client: httpx.Client, step: int, turn: dict[str, Any]) -> dict[str, float]:
    """Send one message as a browser does, and read what comes until the answer is there.

    `turn` has `place`, what the browser keeps, and `sent`, what the composer sends.
    """
    session = turn["place"]["token"][:12]
    body = {
        "data": [turn["place"]], "event_data": turn["sent"], "fn_index": step,
        "session_hash": session, "trigger_id": None,
    }  # fmt: skip
    begun, first, steps = time.monotonic(), 0.0, 0
    client.post("/gradio_api/queue/join?lang=zh", json=body).raise_for_status()
    with client.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as answer:
        for line in answer.iter_lines():
            if not line.startswith("data:"):
                continue
            event = json.loads(line[5:])
            if event["msg"] == "process_generating":
                steps += 1
                first = first or (time.monotonic() - begun if steps > 1 else 0.0)  # 1 is "busy"
            elif event["msg"] in ("process_completed", "close_stream", "unexpected_error"):
                if not event.get("success"):
                    raise RuntimeError(f"the page did not answer: {line[:300]}")
                return {"first": first, "seconds": time.monotonic() - begun, "steps": steps}
    raise RuntimeError("the page ended its stream before the answer")


def main(url: str) -> int:
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        parts = client.get("/config").json()["dependencies"]
        step = next(one["id"] for one in parts if one["api_name"].startswith("make"))
        for line in sys.stdin:
            turns = json.loads(line)
            with ThreadPoolExecutor(len(turns)) as pool:
                told = list(pool.map(lambda turn: say(client, step, turn), turns))
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
