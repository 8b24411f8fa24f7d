"""The middleware alone, in front of a small application."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from rolecraft.ui.guard import LONGEST_BODY, Guard, address_of


async def page(_: Request) -> Response:
    return HTMLResponse("<html><head><title>x</title></head><body>好</body></html>")


async def echo(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body())})


def client_of(**options: Any) -> TestClient:
    routes = [
        Route("/", page),
        Route("/{rest:path}", echo, methods=["GET", "POST", "HEAD", "PUT"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, **options)])
    return TestClient(app)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with client_of(head="<meta name=first>") as opened:
        yield opened


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/upload", "/gradio_api/upload/", "/gradio_api/run/make", "/gradio_api/call/make",
     "/gradio_api/call/v2/make", "/gradio_api/api/make", "/gradio_api/proxy=http://x/",
     "/gradio_api/component_server", "/gradio_api/deep_link", "/gradio_api/runs",
     "/gradio_api/run-history/connect", "/gradio_api/openapi.json", "/gradio_api/process_recording",
     "/gradio_api/vibe-edit", "/gradio_api/stream/x", "/gradio_api/upload_progress",
     "/gradio_api/", "/gradio_api", "/gradio_api//upload", "//gradio_api/upload", "/monitoring",
     "/docs", "/redoc", "/openapi.json", "/login", "/logout", "/token", "/user", "/dev/reload",
     "/svelte/x", "/custom_component/x", "/profiling/traces", "/GRADIO_API/upload", "/run/make",
     "/gradio_api/%75pload", "/gradio_api/Upload", "/.env", "/api/predict"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_closed_paths(client: TestClient, path: str, method: str) -> None:
    answer = client.request(method, "http://testserver" + path)
    assert answer.status_code == 404
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/config", "/look/style.css", "/assets/x.js", "/static/x", "/favicon.ico", "/theme.css",
     "/manifest.json", "/gradio_api/info", "/gradio_api/heartbeat/x", "/gradio_api/queue/data",
     "/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/startup-events",
     "/gradio_api/file=/x", "/gradio_api/theme.css", "/gradio_api/app_id"],
)  # fmt: skip
def test_open_paths(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_headers(client: TestClient) -> None:
    headers = client.get("/").headers
    policy = headers["content-security-policy"]
    for part in (
        "default-src 'self'", "frame-ancestors 'self' https://huggingface.co",
        "object-src 'none'", "connect-src 'self'", "form-action 'self'",
    ):  # fmt: skip
        assert part in policy
    assert "http:" not in policy.replace("https://huggingface.co", "")
    assert headers["referrer-policy"] == "same-origin"


def test_the_head_of_the_page_is_opened(client: TestClient) -> None:
    answer = client.get("/?lang=en")
    assert answer.text.startswith("<html><head><meta name=first><title>")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "first" not in client.get("/config").text


def test_a_body_that_is_too_long_is_refused_before_it_is_read(client: TestClient) -> None:
    path = "/gradio_api/queue/join"
    assert client.post(path, content=b"x" * 1000).json() == {"bytes": 1000}
    answer = client.post(path, content=b"x" * (LONGEST_BODY + 1))
    assert answer.status_code == 413 and "太长" in answer.json()["detail"]


def test_a_body_of_unknown_length_is_counted(client: TestClient) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * (LONGEST_BODY // 4)

    assert client.post("/gradio_api/cancel", content=parts()).status_code == 413


@pytest.mark.parametrize("length", ["-1", "abc", "9" * 40, "1e3"])
def test_a_length_that_cannot_be(client: TestClient, length: str) -> None:
    assert client.post("/config", headers={"content-length": length}).status_code == 413


def test_the_rate_is_per_address_and_only_for_joining() -> None:
    with client_of(joins_per_minute=3) as client:
        answers = [client.post("/gradio_api/queue/join").status_code for _ in range(5)]
        assert answers == [200, 200, 200, 429, 429]
        assert client.post("/gradio_api/queue/join/").status_code == 429
        assert client.get("/gradio_api/queue/data").status_code == 200
        assert "歇一会儿" in client.post("/gradio_api/queue/join").json()["detail"]


def test_a_full_queue_is_said_in_the_visitors_words() -> None:
    async def full(_: Request) -> Response:
        return JSONResponse({"detail": "Queue is full. Max size is 2"}, status_code=503)

    routes = [Route("/{rest:path}", full, methods=["POST"])]
    with TestClient(Starlette(routes=routes, middleware=[Middleware(Guard)])) as client:
        answer = client.post("/gradio_api/queue/join")
        assert answer.status_code == 429 and "过一会儿再试" in answer.json()["detail"]
        assert "busy here" in answer.json()["detail"]
        assert client.post("/gradio_api/cancel").status_code == 503


def test_a_forged_address_does_not_get_round_the_rate() -> None:
    with client_of(joins_per_minute=2, trusted_proxy_hops=1) as client:
        codes = [
            client.post(
                "/gradio_api/queue/join", headers={"x-forwarded-for": f"1.2.3.{n}, 9.9.9.9"}
            ).status_code
            for n in range(4)
        ]
        assert codes == [200, 200, 429, 429]
        other = {"x-forwarded-for": "9.9.9.9, 8.8.8.8"}
        assert client.post("/gradio_api/queue/join", headers=other).status_code == 200
    with client_of(joins_per_minute=1) as client:  # no proxy of ours: the header says nothing
        for number, wanted in ((1, 200), (2, 429)):
            headers = {"x-forwarded-for": f"1.1.1.{number}"}
            assert client.post("/gradio_api/queue/join", headers=headers).status_code == wanted


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value.encode()) for value in values]


@pytest.mark.parametrize(
    ("values", "hops", "wanted"),
    [
        ((), 0, "peer"),
        (("1.1.1.1",), 0, "peer"),
        (("1.1.1.1",), 1, "1.1.1.1"),
        (("6.6.6.6, 1.1.1.1",), 1, "1.1.1.1"),
        (("6.6.6.6, 1.1.1.1, 10.0.0.1",), 2, "1.1.1.1"),
        (("6.6.6.6", "1.1.1.1"), 1, "1.1.1.1"),
        (("1.1.1.1",), 2, "peer"),
        ((" , ,",), 1, "peer"),
        ((), 3, "peer"),
    ],
)
def test_address(values: tuple[str, ...], hops: int, wanted: str) -> None:
    assert address_of(forwarded(*values), "peer", hops) == wanted
