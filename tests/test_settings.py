import ast
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rolecraft.errors import ConfigurationError
from rolecraft.settings import VARIABLES, Settings

REPOSITORY = Path(__file__).parents[1]


def test_nothing_set_gives_the_small_local_profile() -> None:
    settings = Settings.read({})
    assert settings == Settings()
    assert settings.data_dir == Path("data")
    assert settings.profile == "mini"
    assert settings.database_url is settings.chroma_url is settings.openai_api_key is None
    assert settings.characters == REPOSITORY / "characters"
    assert settings.models_dir == REPOSITORY / "models"
    assert (settings.host, settings.port, settings.message_limit) == ("127.0.0.1", 7860, 2000)
    assert settings.trusted_proxy_hops == 0


def test_every_field_has_its_variable() -> None:
    assert [v.field for v in VARIABLES] == [f.name for f in dataclasses.fields(Settings)]
    environ = {
        "ROLECRAFT_DATA_DIR": "~/talks",
        "ROLECRAFT_PROFILE": "chatglm3",
        "ROLECRAFT_DATABASE_URL": "postgresql://ann:pw@db/rolecraft",
        "ROLECRAFT_CHROMA_URL": "http://chroma:8000/",
        "ROLECRAFT_SECRET": "0123456789abcdef",
        "ROLECRAFT_CHARACTERS": "/srv/characters",
        "ROLECRAFT_MODELS_DIR": "/srv/models",
        "ROLECRAFT_CATALOGUE": "/srv/catalog.yaml",
        "OPENAI_API_KEY": "sk-1",
        "OPENAI_BASE_URL": "https://llm.example/v1",
        "ROLECRAFT_HOST": "0.0.0.0",
        "ROLECRAFT_PORT": "80",
        "ROLECRAFT_MESSAGE_LIMIT": "500",
        "ROLECRAFT_RATE_PER_MINUTE": "5",
        "ROLECRAFT_RATE_PER_HOUR": "50",
        "ROLECRAFT_TRUSTED_PROXY_HOPS": "1",
        "ROLECRAFT_MAX_QUEUE": "8",
        "SPACES_ZERO_GPU": "true",
    }
    assert set(environ) == {v.name for v in VARIABLES}
    assert Settings.read(environ) == Settings(
        data_dir=Path.home() / "talks",
        profile="chatglm3",
        database_url="postgresql://ann:pw@db/rolecraft",
        chroma_url="http://chroma:8000",
        secret="0123456789abcdef",
        characters=Path("/srv/characters"),
        models_dir=Path("/srv/models"),
        catalogue=Path("/srv/catalog.yaml"),
        openai_api_key="sk-1",
        openai_base_url="https://llm.example/v1",
        host="0.0.0.0",
        port=80,
        message_limit=500,
        rate_per_minute=5,
        rate_per_hour=50,
        trusted_proxy_hops=1,
        max_queue=8,
        zero_gpu=True,
    )


def test_settings_are_frozen_and_hide_their_secrets() -> None:
    settings = Settings.read(
        {
            "OPENAI_API_KEY": "sk-s3cret",
            "ROLECRAFT_DATABASE_URL": "postgresql://ann:s3cret@db/x",
            "ROLECRAFT_CHROMA_URL": "http://ann:s3cret@chroma",
            "ROLECRAFT_SECRET": "s3cret-s3cret-s3cret",
            "OPENAI_BASE_URL": "http://ann:s3cret@llm",
        }
    )
    assert "s3cret" not in repr(settings)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("ROLECRAFT_PROFILE", "huge", "mini or chatglm3"),
        ("ROLECRAFT_PROFILE", "Mini", "mini or chatglm3"),
        ("ROLECRAFT_PORT", "0", "from 1 to 65535"),
        ("ROLECRAFT_PORT", "seven", "from 1 to 65535"),
        ("ROLECRAFT_PORT", "7_860", "from 1 to 65535"),
        ("ROLECRAFT_PORT", "٧", "from 1 to 65535"),
        ("ROLECRAFT_MESSAGE_LIMIT", "-5", "from 1 to 100000"),
        ("ROLECRAFT_MESSAGE_LIMIT", "1e3", "from 1 to 100000"),
        ("ROLECRAFT_MAX_QUEUE", "9" * 5000, "from 1 to 10000"),
        ("ROLECRAFT_TRUSTED_PROXY_HOPS", "*", "from 0 to 10"),
        ("ROLECRAFT_DATABASE_URL", "mysql://h/x", "sqlite:///FILE"),
        ("ROLECRAFT_DATABASE_URL", "sqlite:///:memory:", "sqlite:///FILE"),
        ("ROLECRAFT_DATABASE_URL", "sqlite://", "sqlite:///FILE"),
        ("ROLECRAFT_CHROMA_URL", "chroma:8000", "http://localhost:8000"),
        ("ROLECRAFT_CHROMA_URL", "http://chroma:port", "http://localhost:8000"),
        ("OPENAI_BASE_URL", "file:///etc/passwd", "http://localhost:8000"),
        ("ROLECRAFT_HOST", "0.0.0.0/0", "host name"),
        ("SPACES_ZERO_GPU", "perhaps", "true or false"),
        ("ROLECRAFT_DATA_DIR", "~nobody-of-that-name/x", "folder"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read({name: value})
    said = str(caught.value)
    assert said.startswith(f"{name} is {value!r}. Allowed: ")
    assert allowed in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "sk-s3cret with a space"),
        ("OPENAI_API_KEY", "“sk-s3cret”"),
        ("ROLECRAFT_SECRET", "s3cret"),
        ("ROLECRAFT_DATABASE_URL", "mysql://ann:s3cret@h/x"),
        ("ROLECRAFT_DATABASE_URL", "ann:s3cret@h/x"),
        ("OPENAI_BASE_URL", "ftp://ann:s3cret@h@h/x"),
    ],
)
def test_a_bad_secret_is_named_but_not_shown(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        Settings.read({name: value})
    assert "s3cret" not in str(caught.value)


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"PER_HOUR is 10, below .*PER_MINUTE.* 20"):
        Settings.read({"ROLECRAFT_RATE_PER_HOUR": "10"})


def test_a_misspelt_name_is_pointed_out_and_a_foreign_one_is_not() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean ROLECRAFT_DATA_DIR"):
        Settings.read({"ROLECRAFT_DATADIR": "x"})
    with pytest.raises(ConfigurationError, match="Did you mean ROLECRAFT_CHARACTERS"):
        Settings.read({"ROLECRAFT_CHARACTER": "x"})
    Settings.read({"ROLECRAFT_TEST_POSTGRES_URL": "x", "PATH": "/bin", "DATA_DIR": "x"})


# --- the .env file


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(
        "\ufeff# how we run it\nexport ROLECRAFT_PORT=8000\n"
        "ROLECRAFT_HOST='0.0.0.0'  # open\nOPENAI_API_KEY=a$HOME${HOME}\nROLECRAFT_PROFILE=\n"
        "OTHER=thing\n",
        encoding="utf-8",
    )
    before = dict(os.environ)
    settings = Settings.read({"ROLECRAFT_PORT": "9000", "ROLECRAFT_HOST": " "}, env)
    assert (settings.port, settings.host, settings.profile) == (9000, "0.0.0.0", "mini")
    assert settings.openai_api_key == "a$HOME${HOME}"
    assert dict(os.environ) == before


def test_no_file_is_no_error(tmp_path: Path) -> None:
    assert Settings.read({}, tmp_path / ".env") == Settings()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ROLECRAFT_PORT=1\nROLECRAFT_HOST='open\n", "line 2: expected NAME=value"),
        (b"# x\nROLECRAFT_PORT\n", "line 2: expected NAME=value"),
        (b"ROLECRAFT_DATA_DIR=\xff\xfe\n", "UTF-8"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    env = tmp_path / ".env"
    env.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as caught:
        Settings.read({}, env)
    assert str(env) in str(caught.value)


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Settings.read({}, tmp_path)


def test_the_process_reads_its_environment_and_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ROLECRAFT_PORT=8000\nROLECRAFT_HOST=h\n")
    ask = "from rolecraft.settings import Settings; s = Settings.from_environment(); "
    done = subprocess.run(
        [sys.executable, "-c", ask + "print(s.port, s.host)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "ROLECRAFT_PORT": "9000"},
    )
    assert done.stdout.split() == ["9000", "h"]


def test_nothing_else_reads_the_environment() -> None:
    readers = set()
    for path in (REPOSITORY / "rolecraft").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "os":
                names = {node.attr}
            else:
                continue
            if names & {"environ", "environb", "getenv", "getenvb"}:
                readers.add(path.relative_to(REPOSITORY).as_posix())
    assert readers == {"rolecraft/settings.py"}
