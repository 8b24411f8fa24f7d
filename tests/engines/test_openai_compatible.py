"""An endpoint over a real socket: a server that misbehaves on demand, and transformers' own."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from rolecraft.conversation import Message, Sampling
from rolecraft.engines import chatglm3
from rolecraft.engines.base import EngineCard
from rolecraft.engines.fast_tokenizer import export_fast_tokenizer
from rolecraft.engines.openai_compatible import OpenAICompatibleEngine, RemoteGeneration
from rolecraft.errors import EngineFailed, EngineRefused, RequestRefused
from tests.served import served

ASKED = [Message("system", "你是桃子。"), Message("user", "吃了吗？")]
CARD = EngineCard("gpt-4", "openai_compatible", {})
REPOSITORY = Path(__file__).parents[2]


def chunk(text: str = "", finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"} | {
        "choices": [choice], **more,
    }  # fmt: skip


def usage(prompt: int, reply: int) -> dict[str, Any]:
    counts = {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}
    return chunk() | {"choices": [], "usage": counts}


class Server(ThreadingHTTPServer):
    """Answers as `answer` says, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, answer: "Callable[[Handler], None]") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self.headers: list[Any] = []
        self.left = threading.Event()  # the other side hung up

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def engine(self, **options: Any) -> OpenAICompatibleEngine:
        options = {"timeout_s": 20.0, "retries": 0} | options
        return OpenAICompatibleEngine(CARD, "gpt-4", "sk-secret", self.url, **options)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(json.loads(body))
        self.server.headers.append(self.headers)
        try:
            self.server.answer(self)
        except OSError:
            self.server.left.set()

    def log_message(self, *_: object) -> None:
        return

    def refuse(self, status: int, message: str = "no", **headers: str) -> None:
        body = json.dumps({"error": {"message": message, "type": "x"}}).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def say(self, *chunks: dict[str, Any]) -> None:
        for one in chunks:
            self.wfile.write(f"data: {json.dumps(one)}\n\n".encode())
            self.wfile.flush()

    def done(self) -> None:
        self.wfile.write(b"data: [DONE]\n\n")


def saying(*chunks: dict[str, Any], done: bool = True) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.begin()
        handler.say(*chunks)
        if done:
            handler.done()

    return answer


def serving(answer: Callable[[Handler], None]) -> AbstractContextManager[Server]:
    return served(Server(answer))


def failure(answer: RemoteGeneration) -> tuple[str, str]:
    """What was said before it failed, and the failure's words."""
    text = ""
    with pytest.raises(EngineFailed) as caught:
        for piece in answer:
            text += piece
    assert answer.finish == "error" and "sk-secret" not in str(caught.value)
    return text, str(caught.value)


GOOD = (chunk("（快乐）"), chunk("吃"), chunk("了。"), chunk(finish="stop"), usage(21, 9))


def test_a_streamed_reply_and_what_was_sent() -> None:
    with serving(saying(*GOOD)) as server:
        answer = server.engine().stream(ASKED, Sampling(seed=5, max_new_tokens=7))
        assert list(answer) == ["（快乐）", "吃", "了。"]
    assert (answer.finish, answer.prompt_tokens, answer.reply_tokens) == ("stop", 21, 9)
    assert (answer.seed, answer.identity.engine, answer.identity.base) == (5, "gpt-4", "gpt-4")
    sent = server.asked[0]
    assert sent["messages"] == [{"role": m.role, "content": m.content} for m in ASKED]
    assert (sent["model"], sent["seed"], sent["max_tokens"]) == ("gpt-4", 5, 7)
    assert (sent["temperature"], sent["top_p"], sent["stream"]) == (0.95, 0.7, True)
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    assert list(answer) == []  # it is over; nothing is asked again
    assert len(server.asked) == 1


def test_what_stops_a_reply_is_sent() -> None:
    with serving(saying(*GOOD)) as server:
        engine = server.engine()
        list(engine.stream(ASKED, Sampling()))
        engine.stop = ["用户："]
        list(engine.stream(ASKED, Sampling()))
    assert "stop" not in server.asked[0] and server.asked[1]["stop"] == ["用户："]


def test_without_counts_pieces_are_counted_and_length_is_told() -> None:
    with serving(saying(chunk("一"), chunk("二"), chunk(finish="length"))) as server:
        answer = server.engine().stream(ASKED, Sampling(), adapter="taozi")
        assert "".join(answer) == "一二"
    assert (answer.finish, answer.reply_tokens) == ("length", 2)
    assert server.asked[0]["model"] == answer.identity.base == "taozi"


@pytest.mark.parametrize(
    "said", [["（", "快乐", "）吃", "了。"], ["（悲伤）吃了。"], ["吃", "了。"]]
)
def test_an_asked_emotion_is_asked_for_and_not_said_twice(said: list[str]) -> None:
    with serving(saying(*map(chunk, said), chunk(finish="stop"))) as server:
        answer = server.engine().stream(ASKED, Sampling(), opening="（快乐）")
        assert "".join(answer) == "吃了。"
    roles = [message["role"] for message in server.asked[0]["messages"]]
    assert roles == ["system", "system", "user"]
    assert "以（快乐）开头" in server.asked[0]["messages"][1]["content"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "the key was refused. Check OPENAI_API_KEY and OPENAI_BASE_URL"),
        (403, "the key was refused"),
        (404, "does not know this model. Check its name"),
        (429, "busy or the quota is used up. Try again in a minute"),
        (400, "refused the request (too long). Shorten the talk"),
        (422, "refused the request (too long)"),
        (500, "the server answered 500. Try again later"),
        (503, "the server answered 503"),
    ],
)
def test_refusals_in_plain_words(status: int, words: str) -> None:
    with serving(lambda handler: handler.refuse(status, "too long")) as server:
        text, said = failure(server.engine().stream(ASKED, Sampling()))
    assert text == "" and said.startswith("gpt-4: ") and words in said


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, EngineRefused), (404, EngineRefused), (400, RequestRefused), (503, EngineFailed)],
)
def test_whether_asking_again_could_help(status: int, kind: type[EngineFailed]) -> None:
    refusing = serving(lambda handler: handler.refuse(status))
    with refusing as server, pytest.raises(EngineFailed) as caught:
        list(server.engine().stream(ASKED, Sampling()))
    assert type(caught.value) is kind


def test_retries_are_bounded() -> None:
    soon = {"retry_after_ms": "1"}
    with serving(lambda handler: handler.refuse(500, **soon)) as server:
        failure(server.engine(retries=2).stream(ASKED, Sampling()))
    assert len(server.asked) == 3
    with serving(lambda handler: handler.refuse(401, **soon)) as server:
        failure(server.engine(retries=2).stream(ASKED, Sampling()))
    assert len(server.asked) == 1  # a refused key is not tried again


def test_a_busy_server_is_asked_again() -> None:
    def answer(handler: Handler) -> None:
        if len(handler.server.asked) < 3:
            handler.refuse(429, retry_after_ms="1")
        else:
            saying(*GOOD)(handler)

    with serving(answer) as server:
        assert "".join(server.engine(retries=2).stream(ASKED, Sampling())) == "（快乐）吃了。"
    assert len(server.asked) == 3
    assert len({json.dumps(asked, sort_keys=True) for asked in server.asked}) == 1


def test_no_server_at_all() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        engine = OpenAICompatibleEngine(CARD, "gpt-4", "sk-secret", url, retries=0)
        assert "cannot be reached" in failure(engine.stream(ASKED, Sampling()))[1]


def test_a_silent_server_is_not_waited_for() -> None:
    release = threading.Event()
    with serving(lambda handler: release.wait(60)) as server:
        answer = server.engine(timeout_s=0.3).stream(ASKED, Sampling())
        assert "took too long" in failure(answer)[1]
        release.set()


def test_a_server_that_falls_silent_half_way() -> None:
    release = threading.Event()

    def answer(handler: Handler) -> None:
        handler.begin()
        handler.say(chunk("吃"))
        release.wait(60)

    with serving(answer) as server:
        text, said = failure(server.engine(timeout_s=0.5, retries=2).stream(ASKED, Sampling()))
        release.set()
    assert text == "吃" and "took too long" in said
    assert len(server.asked) == 1  # half an answer is never asked for again


def garbage(handler: Handler) -> None:
    handler.begin()
    handler.say(chunk("吃"))
    handler.wfile.write(b"data: {not json\n\n")


def cut(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.say(chunk("吃"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (garbage, "broke off"),
        (cut, "broke off"),
        (saying(chunk("吃"), done=False), "broke off"),  # ended without saying that it had
        (saying(chunk("吃"), {"error": {"message": "out of memory"}}), "(out of memory)"),
    ],
)
def test_a_broken_answer_is_no_whole_one(answer: Callable[[Handler], None], words: str) -> None:
    with serving(answer) as server:
        text, said = failure(server.engine().stream(ASKED, Sampling()))
    assert text == "吃" and words in said


def test_an_answer_without_text() -> None:
    with serving(saying(chunk(finish="content_filter"))) as server:
        assert "sent no text" in failure(server.engine().stream(ASKED, Sampling()))[1]


def endless(handler: Handler) -> None:
    handler.begin()
    while True:
        handler.say(chunk("啊"))
        time.sleep(0.01)


def test_stopping_closes_the_connection() -> None:
    with serving(endless) as server:
        answer = server.engine().stream(ASKED, Sampling())
        text = ""
        for piece in answer:
            text += piece
            if len(text) == 3:
                answer.cancel()
        assert (text, answer.finish) == ("啊啊啊", "user_stop")
        assert server.left.wait(20)


def test_a_reader_who_goes_closes_the_connection() -> None:
    with serving(endless) as server:
        pieces = iter(server.engine().stream(ASKED, Sampling()))
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]
        assert server.left.wait(20)


def test_stopping_does_not_wait_for_a_silent_server() -> None:
    release, heard = threading.Event(), threading.Event()

    def answer(handler: Handler) -> None:
        handler.begin()
        handler.say(chunk("吃"))
        heard.set()
        # the connection is shut down: reading from it ends at once
        if handler.connection.recv(1) == b"":
            handler.server.left.set()
        release.wait(60)

    with serving(answer) as server:
        reply = server.engine(timeout_s=60).stream(ASKED, Sampling())
        pieces = iter(reply)
        assert next(pieces) == "吃"
        assert heard.wait(20)
        reply.cancel()
        assert list(pieces) == [] and reply.finish == "user_stop"
        assert server.left.wait(20)
        release.set()


def test_stopping_before_the_server_answers() -> None:
    release, heard = threading.Event(), threading.Event()

    def answer(handler: Handler) -> None:
        heard.set()
        release.wait(60)
        saying(*GOOD)(handler)

    with serving(answer) as server:
        reply = server.engine(timeout_s=60).stream(ASKED, Sampling())
        threading.Thread(target=lambda: (heard.wait(20), reply.cancel())).start()
        assert list(reply) == [] and reply.finish == "user_stop"
        release.set()
        late = server.engine().stream(ASKED, Sampling())
        late.cancel()
        assert list(late) == [] and late.finish == "user_stop"
        assert len(server.asked) == 1


def test_visitors_share_an_engine_and_are_not_mixed() -> None:
    def echo(handler: Handler) -> None:
        text = handler.server.asked[-1]["messages"][-1]["content"]
        handler.begin()
        for letter in text:
            handler.say(chunk(letter))
        handler.say(chunk(finish="stop"))
        handler.done()

    with serving(echo) as server:
        engine = server.engine()
        first, second = (iter(engine.stream([Message("user", t)], Sampling())) for t in "甲乙")
        texts = [next(first), next(second)]
        assert texts == ["甲", "乙"] and [*first, *second] == []


# transformers' own server, with a model that this project exported.


def lacking() -> str:
    """What `transformers serve` needs and this environment does not have."""
    needed = ("fastapi", "uvicorn", "rich", "openai")
    return ", ".join(name for name in needed if importlib.util.find_spec(name) is None)


def export(folder: Path) -> Path:
    """The mini model where its weights are here, the reference checkpoint otherwise."""
    mini = REPOSITORY / "models" / "mini"
    base = (
        mini if (mini / "model.safetensors").exists() else REPOSITORY / "tests/data/chatglm3-tiny"
    )
    model = chatglm3.load_model(base, dtype="fp32", device="cpu")
    chatglm3.save_native(model, base / "tokenizer.model", folder)
    export_fast_tokenizer(base / "tokenizer.model", folder)
    return folder


@contextmanager
def transformers_serve(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = shutil.which("transformers", path=str(Path(sys.executable).parent))
    assert command, "the transformers command lies beside this Python"
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [command, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port),
             "--device", "cpu", "--dtype", "float32"],
            stdout=log, stderr=log, env={**os.environ, **offline},
        )  # fmt: skip
        try:
            wait_until_ready(process, port, folder / "serve.log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(60)


def wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + 600
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text("utf-8")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(log.read_text("utf-8"))


@pytest.mark.timeout(900)
def test_a_real_server(tmp_path: Path) -> None:
    if missing := lacking():
        if os.environ.get("CI") == "true":
            pytest.fail(f"transformers serve needs {missing}")
        pytest.skip(f"transformers serve needs {missing}")
    folder = export(tmp_path / "model")
    with transformers_serve(folder) as url:
        engine = OpenAICompatibleEngine(CARD, str(folder), "any", url, timeout_s=300)
        sampling = Sampling(temperature=0.0, max_new_tokens=12, seed=1)
        first, second = (engine.stream(ASKED, sampling) for _ in range(2))
        text = "".join(first)
        assert text.strip() and "".join(second) == text
        assert first.finish in ("stop", "length") and 0 < first.reply_tokens <= 13
        stopped = engine.stream(ASKED, Sampling(max_new_tokens=1500))
        pieces = iter(stopped)
        next(pieces)
        stopped.cancel()
        list(pieces)
        assert stopped.finish == "user_stop"
        unknown = OpenAICompatibleEngine(CARD, "no/such-model", "any", url, timeout_s=300)
        assert failure(unknown.stream(ASKED, sampling))[1].startswith("gpt-4: the server")
