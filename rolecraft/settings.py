"""Everything that the environment and the `.env` file may set, read once, typed and frozen.

The only module that reads `os.environ`. Knows no room of the house: it checks the shape of a
value, not whether a server answers or a folder holds characters.
"""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

from rolecraft.errors import ConfigurationError

Profile = Literal["mini", "chatglm3"]
PREFIX = "ROLECRAFT_"
_REPOSITORY = Path(__file__).resolve().parents[1]
_DATABASES = ("sqlite:///", "postgresql://", "postgresql+psycopg://", "postgres://")


@dataclass(frozen=True)
class Settings:
    """The configuration of one process. `database_url` None is SQLite inside the data folder.

    What is or may hold a password is left out of its `repr`.
    """

    data_dir: Path = Path("data")
    profile: Profile = "mini"
    database_url: str | None = field(default=None, repr=False)
    chroma_url: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    characters: Path = _REPOSITORY / "characters"
    models_dir: Path = _REPOSITORY / "models"
    catalogue: Path | None = None
    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 7860
    message_limit: int = 2000
    rate_per_minute: int = 20
    rate_per_hour: int = 300
    trusted_proxy_hops: int = 0
    max_queue: int = 32
    zero_gpu: bool = False

    @classmethod
    def read(cls, environ: Mapping[str, str], dotenv_path: Path | None = None) -> "Settings":
        """The settings of `environ` over those of the `.env` file; an empty value counts as unset.

        Raises `ConfigurationError` naming the variable, its value and what is allowed.
        """
        from_file = _read_dotenv(dotenv_path) if dotenv_path else {}
        given = {**from_file, **{name: text for name, text in environ.items() if text.strip()}}
        _refuse_misspelt(given)
        values: dict[str, Any] = {}
        for variable in VARIABLES:
            text = given.get(variable.name, "").strip()
            if text:
                values[variable.field] = _parsed(variable, text)
        settings = cls(**values)
        if settings.rate_per_hour < settings.rate_per_minute:
            raise ConfigurationError(
                f"ROLECRAFT_RATE_PER_HOUR is {settings.rate_per_hour}, below "
                f"ROLECRAFT_RATE_PER_MINUTE, which is {settings.rate_per_minute}. Raise the first "
                "or lower the second."
            )
        return settings

    @classmethod
    def from_environment(cls) -> "Settings":
        """The settings of this process: its environment over the `.env` of its working folder."""
        return cls.read(os.environ, Path(".env"))


@dataclass(frozen=True)
class Variable:
    """One environment variable: where it goes, how it is read and what it means."""

    name: str
    field: str
    parse: Callable[[str], object]  # raises ValueError
    allowed: str
    about: str
    secret: bool = False


def _folder(text: str) -> Path:
    return Path(text).expanduser()


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # int() alone would take 1_000, +5 and digits of other scripts
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return parse


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError
    return text.rstrip("/")


def _database(text: str) -> str:
    # Each thread would see its own empty in-memory database.
    memory = text.startswith("sqlite") and (":memory:" in text or "mode=memory" in text)
    start = next((start for start in _DATABASES if text.startswith(start)), None)
    if start is None or memory or len(text) == len(start):
        raise ValueError
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z.:_-]+", text):
        raise ValueError
    return text


def _switch(text: str) -> bool:
    switches = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in switches:
        raise ValueError
    return switches[text.lower()]


def _secret(text: str) -> str:
    if not re.fullmatch(r"[!-~]{16,}", text):
        raise ValueError
    return text


def _key(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError
    return text


def _whole_variable(name: str, low: int, high: int, about: str) -> Variable:
    allowed = f"a whole number from {low} to {high}"
    return Variable(PREFIX + name.upper(), name, _whole(low, high), allowed, about)


_ADDRESS = "an address such as http://localhost:8000"
VARIABLES = (
    Variable(
        "ROLECRAFT_DATA_DIR",
        "data_dir",
        _folder,
        "a folder",
        "conversations, ratings, vectors",
    ),
    Variable(
        "ROLECRAFT_PROFILE",
        "profile",
        _one_of("mini", "chatglm3"),
        "mini or chatglm3",
        "which models answer: mini runs on any CPU, chatglm3 needs a GPU",
    ),
    Variable(
        "ROLECRAFT_DATABASE_URL",
        "database_url",
        _database,
        "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE",
        "a database other than rolecraft.db in the data folder",
    ),
    Variable(
        "ROLECRAFT_CHROMA_URL",
        "chroma_url",
        _web_address,
        _ADDRESS,
        "a Chroma server in place of the vectors in the data folder",
    ),
    Variable(
        "ROLECRAFT_SECRET",
        "secret",
        _secret,
        "16 or more printable ASCII characters without spaces",
        "the same for all processes that share a database: visitors are then known to each",
        secret=True,
    ),
    Variable("ROLECRAFT_CHARACTERS", "characters", _folder, "a folder", "the shelf of characters"),
    Variable(
        "ROLECRAFT_MODELS_DIR", "models_dir", _folder, "a folder", "the models that are shipped"
    ),
    Variable(
        "ROLECRAFT_CATALOGUE",
        "catalogue",
        _folder,
        "a YAML file",
        "other engines in place of those of rolecraft/engines/catalog.yaml",
    ),
    Variable(
        "OPENAI_API_KEY",
        "openai_api_key",
        _key,
        "printable ASCII without spaces",
        "the key for the endpoint engines",
        secret=True,
    ),
    Variable(
        "OPENAI_BASE_URL",
        "openai_base_url",
        _web_address,
        _ADDRESS,
        "an OpenAI-compatible server: vLLM, SGLang, Ollama, transformers serve",
    ),
    Variable(
        "ROLECRAFT_HOST",
        "host",
        _host,
        "a host name or address",
        "where the page listens; 0.0.0.0 opens it to the network",
    ),
    _whole_variable("port", 1, 65535, "the port of the page"),
    _whole_variable("message_limit", 1, 100_000, "the longest message of a visitor, in characters"),
    _whole_variable(
        "rate_per_minute",
        1,
        100_000,
        "messages of one visitor in a minute; of one address three times as many",
    ),
    _whole_variable(
        "rate_per_hour",
        1,
        1_000_000,
        "messages of one visitor in an hour; of one address three times as many",
    ),
    _whole_variable(
        "trusted_proxy_hops",
        0,
        10,
        "proxies in front of the page whose X-Forwarded-For is believed",
    ),
    _whole_variable("max_queue", 1, 10_000, "visitors who may wait for an answer at once"),
    Variable(
        "SPACES_ZERO_GPU",
        "zero_gpu",
        _switch,
        "true or false",
        "set by Hugging Face where the hardware is ZeroGPU: a GPU is lent for the length of a call",
    ),
)


def _parsed(variable: Variable, text: str) -> object:
    try:
        return variable.parse(text)
    except (ValueError, RuntimeError):  # expanduser raises RuntimeError for an unknown ~user
        # A key, or an address with its password, must not reach a log or a screen.
        said = "holds a value that cannot be used" if variable.secret else f"is {_masked(text)!r}"
        raise ConfigurationError(f"{variable.name} {said}. Allowed: {variable.allowed}.") from None


def _masked(text: str) -> str:
    return re.sub(r"^(\w[\w+.-]*://)?.*@", r"\1***@", text)


def _refuse_misspelt(given: Mapping[str, str]) -> None:
    """A typing error would otherwise be a silent default."""
    known = {v.name.removeprefix(PREFIX): v.name for v in VARIABLES if v.name.startswith(PREFIX)}
    for name in given:
        rest = name.removeprefix(PREFIX)
        if name == rest or rest in known:
            continue
        if near := difflib.get_close_matches(rest.upper(), known, n=1, cutoff=0.8):
            raise ConfigurationError(
                f"{name} is no setting of RoleCraft. Did you mean {known[near[0]]}?"
            )


def _read_dotenv(path: Path) -> dict[str, str]:
    """The `.env` file as it is written, without `${…}` so that nothing outside it is read."""
    try:
        # utf-8-sig: Windows editors put a mark before the first name
        with path.open(encoding="utf-8-sig") as stream:
            lines = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}. Make it a UTF-8 text file of NAME=value lines."
        ) from error
    found: dict[str, str] = {}
    for line in lines:
        if line.error or (line.key and line.value is None):
            raise ConfigurationError(
                f"{path}, line {line.original.line}: expected NAME=value, with quotes closed."
            )
        if line.key and cast(str, line.value).strip():
            found[line.key] = cast(str, line.value)
    return found


def prepare_gradio() -> None:
    """Turn off what gradio sends, keeps and shows by default. Call it before gradio is imported."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_RUN_HISTORY"] = "0"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
