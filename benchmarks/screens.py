"""Takes the README's pictures of the page, from a page that runs and with the model it has.

    python -m rolecraft serve                         # in another terminal
    python -m benchmarks.screens [--url http://127.0.0.1:7860] [--out docs/images]

Needs Debian's chromium. What is said is said by the real model: look at the pictures.
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

CHARACTER = "zhou-xiaobei"
QUESTIONS = {
    "zh": ("你好呀", "你在干嘛呢？", "我今天有点累"),
    "en": ("你好呀", "我今天有点累"),
}
LARGEST = 300_000  # bytes of a picture in the repository
PATIENCE_MS = 120_000
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    args = parser.parse_args(argv)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("No chromium: apt-get install chromium fonts-noto-cjk", file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        desktop = _open(browser, args.url, "zh", "light", DESKTOP)
        taken = [_shoot(desktop, args.out / "picker.png")]
        _talk(desktop, "zh")
        taken.append(_shoot(desktop, args.out / "talk.png"))
        desktop.click("#rc-log .theirs >> nth=-1 >> [data-act=why]")
        desktop.wait_for_selector("#rc-why .sheet")
        taken.append(_shoot(desktop, args.out / "why.png"))
        phone = _open(browser, args.url, "en", "dark", PHONE)
        _talk(phone, "en")
        taken.append(_shoot(phone, args.out / "phone.png"))
        browser.close()
    large = [path for path in taken if path.stat().st_size > LARGEST]
    for path in taken:
        print(f"{path}: {path.stat().st_size // 1000} kB{' (too large)' * (path in large)}")
    return 1 if large else 0


def _open(browser: Any, url: str, language: str, theme: str, device: dict[str, Any]) -> Any:
    """The page as a new visitor sees it."""
    context = browser.new_context(locale=language, color_scheme=theme, **device)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{url.rstrip('/')}/?lang={language}")
    page.wait_for_selector("#rc-talks .side", state="attached")
    page.wait_for_timeout(1500)  # portraits come
    return page


def _talk(page: Any, language: str) -> None:
    page.click(f"[data-character={CHARACTER}].card")
    page.wait_for_selector("#rc-log .greeting")
    for question in QUESTIONS[language]:
        page.fill("#rc-composer textarea", question)
        page.press("#rc-composer textarea", "Enter")
        page.wait_for_selector("html[data-busy=true]", state="attached")
        page.wait_for_selector("html[data-busy=false]", state="attached")


def _shoot(page: Any, path: Path) -> Path:
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(600)  # animations end
    page.screenshot(path=path)
    return path


if __name__ == "__main__":
    raise SystemExit(main())
