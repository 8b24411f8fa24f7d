"""A server on this machine that speaks OpenAI's protocol and does what the stages' prompts ask."""

import json
import random
import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rolecraft.characters.model import (
    Answer,
    Character,
    Dialogue,
    GeneralAnswers,
    Question,
    Utterance,
)
from tests.served import served

WORDS = list("山水风雨花草树云早晚饭茶路桥船书信钟灯门窗猫狗鱼鸟春夏秋冬红白")
Say = Callable[[list[dict[str, str]]], str]


class Talker(ThreadingHTTPServer):
    """Answers with `say(messages)`; remembers what it was asked."""

    daemon_threads = True

    def __init__(self, say: Say, pause_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.say, self.pause_s = say, pause_s
        self.asked: list[dict[str, Any]] = []
        self.status = 200
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def keys(self) -> list[str]:
        """What was asked, without what may differ between two requests for the same."""
        return [json.dumps(one["messages"]) + str(one.get("seed")) for one in self.asked]


class Handler(BaseHTTPRequestHandler):
    server: Talker

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body)
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        try:
            time.sleep(self.server.pause_s)
            self._answer(body)
        except OSError:
            return  # the other side was killed
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def _answer(self, body: dict[str, Any]) -> None:
        status = self.server.status
        text = self.server.say(body["messages"]) if status == 200 else ""
        self.send_response(status)
        if status != 200:
            self.send_header("retry-after-ms", "1")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
            return
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        half = len(text) // 2
        for piece in (text[:half], text[half:]):
            self._chunk([{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
        self._chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        tokens = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
        self._chunk([], usage=tokens)
        self.wfile.write(b"data: [DONE]\n\n")

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> None:
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        line = json.dumps({**head, "choices": choices, **more}, ensure_ascii=False)
        self.wfile.write(f"data: {line}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        return


def talking(say: Say, pause_s: float = 0.0) -> AbstractContextManager[Talker]:
    return served(Talker(say, pause_s))


def _json(body: Any) -> str:
    return f"好的：\n```json\n{json.dumps(body, ensure_ascii=False)}\n```"


def labels(messages: list[dict[str, str]]) -> str:
    """Labels for what is asked: 兴奋 where somebody shouts, 中立 elsewhere."""
    prompt = messages[1]["content"]
    wanted = re.findall(r"\d+", prompt.rpartition("请标这些编号：")[2])
    lines = dict(re.findall(r"^(\d+)\. (.+)$", prompt, re.MULTILINE))
    return _json(
        {"labels": [
            {"n": int(n), "why": "听得出来", "emotion": "激动" if "！" in lines[n] else "中立"}
            for n in wanted
        ]}
    )  # fmt: skip


def profile(messages: list[dict[str, str]]) -> str:
    """A profile with everything that is wanted; the age has no evidence."""
    prompt = messages[1]["content"]
    wanted = prompt.rpartition("有根据的：")[2].rstrip("。").split("、")
    first = re.findall(r"^(d\d+)", prompt, re.MULTILINE)[0]
    fields = [
        {"field": key, "value": f"{key[:10]}记", "evidence": [] if key == "age" else [first]}
        for key in wanted
    ]
    return _json({"fields": fields, "traits": ["爽快", "念旧"], "style": "话短，爱笑"})


def questions(messages: list[dict[str, str]]) -> str:
    """As many questions as are wanted; words of the prompt make them differ."""
    prompt = messages[1]["content"]
    found = re.search(r"出(\d+)[个句]", prompt)
    assert found
    fields = re.findall(r"^- (\w+)（(.+?)）：(.+)$", prompt, re.MULTILINE)
    rows = []
    for n in range(int(found.group(1))):
        words = random.Random(f"{prompt} {n}").sample(WORDS, 16)
        row = {"question": f"{''.join(words[:8])}？", "answer": f"{''.join(words[8:])}。"}
        if fields:
            key, name, value = fields[n % len(fields)]
            row = {"question": f"你的{name}是什么？", "answer": f"是{value}呀。", "field": key}
        rows.append({**row, "emotion": "快乐"})
    return _json({"questions": rows})


def replies(messages: list[dict[str, str]]) -> str:
    """As many replies as are wanted; the last one names a model."""
    found = re.search(r"写(\d+)个不同的回答", messages[0]["content"])
    assert found
    asked = messages[1]["content"]
    texts = [f"{asked[:6]}嘛，我说第{n}句" for n in range(int(found.group(1)))]
    texts[-1] = "作为一个人工智能，我没有感情。"
    return _json({"replies": [{"text": text, "emotion": "开心"} for text in texts]})


def islander(dialogues: int = 6, name: str = "陆远", identity: str = "lu-yuan") -> Character:
    """A character whose every label is a stand-in."""
    script = tuple(
        Dialogue(
            f"d{n:02d}", f"码头，第{n}天",
            (
                Utterance("安然", f"今天有{n}封信。", "中立"),
                Utterance(name, f"太好了！一共{n}封！", "中立"),
                Utterance("安然", f"风{n}级，我得走了。", "中立"),
                Utterance(name, f"路上慢点，第{n}个浮标那儿水急。", "中立"),
            ),
        )
        for n in range(1, dialogues + 1)
    )  # fmt: skip
    asked = (
        Question("q001", "opinion", "岛上冷清吗？", "冷清，可我习惯了。", "中立", "train"),
        Question("q002", "opinion", "喜欢下雾吗？", "不喜欢！什么都看不见。", "中立", "test"),
    )
    both = {"zh": "坐吧。", "en": "Sit."}
    return Character(
        identity, {"zh": name, "en": identity}, both,
        {"name": name, "occupation": "守灯塔"}, script=script, questions=asked,
        general=(GeneralAnswers("g01", (Answer("春天雾多。", "中立"),)),),
    )  # fmt: skip
