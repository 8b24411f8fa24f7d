"""Entry of a Hugging Face Space, and of `python app.py`.

The page is built when `demo` is first asked for, so that importing this file opens nothing.
"""

from functools import cache
from typing import Any


@cache
def _demo() -> Any:
    from rolecraft.services import open_services
    from rolecraft.settings import Settings
    from rolecraft.ui.app import build_app

    return build_app(open_services(Settings.from_environment()))


def __getattr__(name: str) -> Any:
    if name == "demo":
        return _demo()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    from rolecraft.settings import Settings
    from rolecraft.ui.app import serve

    serve(Settings.from_environment())
