"""The application: its tabs, how it looks, what guards it, and how it is served.

`build_app` makes the page from opened services; `serve` opens them, serves until it is told to
end, and closes them.
"""

import logging
import os
import secrets
import signal
from pathlib import Path
from typing import Any

from rolecraft.errors import StoreUnavailable
from rolecraft.services import Services, open_services
from rolecraft.settings import Settings, prepare_gradio
from rolecraft.store.keys import shared_key

prepare_gradio()  # gradio reads the environment while it is imported

import gradio as gr  # noqa: E402
from gradio.components.navbar import Navbar  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

from rolecraft.ui import health, look  # noqa: E402
from rolecraft.ui.blocks import Blocks  # noqa: E402
from rolecraft.ui.cast_tab import build_cast_tab  # noqa: E402
from rolecraft.ui.chat_tab import build_chat_tab  # noqa: E402
from rolecraft.ui.compare_tab import build_compare_tab  # noqa: E402
from rolecraft.ui.guard import Guard  # noqa: E402
from rolecraft.ui.page import BOTH, part  # noqa: E402
from rolecraft.ui.pages import PATHS  # noqa: E402
from rolecraft.ui.rate_tab import build_rate_tab  # noqa: E402
from rolecraft.ui.results_tab import build_results_tab  # noqa: E402
from rolecraft.ui.texts import EN, ZH  # noqa: E402
from rolecraft.ui.top import top  # noqa: E402

log = logging.getLogger(__name__)

BUILDERS = {
    "compare": build_compare_tab,
    "rate": build_rate_tab,
    "results": build_results_tab,
    "cast": build_cast_tab,
}

_STEPS_PER_MESSAGE = 6  # clicks that come with a message: open, step, why, …
_QUICK_THREADS = 24  # for the steps that ask no model
_SESSIONS = 300  # pages whose state is kept at once
_SECRET_FILE = "browser.secret"
_FONT = ["PingFang SC", "Noto Sans SC", "Noto Sans CJK SC", "Microsoft YaHei", "sans-serif"]


def build_app(services: Services) -> gr.Blocks:
    """The page with its queue, ready to be launched with `launch_options`."""
    secret = browser_secret(services.folder.path, services.settings.secret)
    with Blocks(
        title=f"{ZH['title']} · {EN['title']}", analytics_enabled=False, fill_width=True
    ) as demo:
        _top()
        build_chat_tab(demo, services, secret)
    for path in PATHS:
        with demo.route(EN[f"{path}_nav"], path, show_in_navbar=False):
            _top(path)
            BUILDERS[path](demo, services, secret)
    page: gr.Blocks = demo
    page.queue(
        api_open=False,
        max_size=services.at_once,
        default_concurrency_limit=8,
    )
    return page


def _top(path: str = "") -> None:
    Navbar(visible=False)  # the bar has links of its own, in the visitor's language
    part("rc-top", "top", html_template=BOTH, zh=top("zh", path), en=top("en", path))


def launch_options(services: Services) -> dict[str, Any]:
    """What `Blocks.launch` is given, wherever the page is hosted."""
    settings = services.settings
    guard = Middleware(
        Guard,
        head=look.head(EN["brand_line"]),
        trusted_proxy_hops=settings.trusted_proxy_hops,
        joins_per_minute=settings.rate_per_minute * _STEPS_PER_MESSAGE,
    )
    return {
        "server_name": settings.host,
        "server_port": settings.port,
        "show_error": False,
        "quiet": True,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "share": False,
        "max_file_size": "1kb",
        "state_session_capacity": _SESSIONS,
        "max_threads": services.at_once + _QUICK_THREADS,
        "theme": gr.themes.Base(
            primary_hue="orange", neutral_hue="stone", font=_FONT, font_mono=["monospace"]
        ),
        "app_kwargs": {
            "middleware": [guard],
            "routes": [*look.routes(services.shelf), health.route(services)],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
    }


def browser_secret(folder: Path, shared: str | None = None) -> str:
    """What the browser's kept place is hidden with: the same as long as the data folder lives, or
    wherever the `shared` secret is.
    """
    if shared:
        return shared_key(shared, _SECRET_FILE).hex()[:32]
    path = folder / _SECRET_FILE
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(16))
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise StoreUnavailable(
            f"{path} cannot be read or written: {error}. Delete it, or make the data folder "
            "writable for this user."
        ) from error


def serve(settings: Settings) -> None:
    """Open the services of `settings` and serve the page until SIGINT or SIGTERM."""
    services = open_services(settings)
    try:
        serve_services(services)
    finally:
        services.close()


def serve_services(services: Services) -> None:
    """Serve the page of opened services until SIGINT or SIGTERM."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    demo = build_app(services)
    try:
        demo.launch(**launch_options(services), prevent_thread_lock=True)
        log.warning("RoleCraft is at %s", demo.local_url)
        demo.block_thread()
    except KeyboardInterrupt:
        log.info("Stopped while starting.")  # once it runs, block_thread returns by itself
    finally:
        services.running.stop_all(seconds=2.0)  # while the queue can still store what was said
        demo.close()
