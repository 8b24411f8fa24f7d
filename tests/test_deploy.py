"""What deploy/ says agrees with the settings, the catalogue, the code and docs/scale.md."""

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from sqlalchemy import make_url

from rolecraft.engines.catalog import Catalog
from rolecraft.services import Services
from rolecraft.settings import VARIABLES, Settings
from rolecraft.store import database

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
PARTS = COMPOSE["services"]
SCALE = (ROOT / "docs" / "scale.md").read_text("utf-8")


def filled(text: str) -> str:
    """As compose fills it in: the default, or a word that was given."""
    return re.sub(r"\$\{\w+:([-?])([^}]*)\}", lambda m: m[2] or "a-word-of-sixteen-signs", text)


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: filled(value) for name, value in PARTS["app"]["environment"].items()}


@pytest.fixture
def catalog(environment: dict[str, str]) -> Catalog:
    [mount] = [one.split(":") for one in PARTS["app"]["volumes"]]
    assert mount[1] == environment["ROLECRAFT_CATALOGUE"]
    given = {**environment, "ROLECRAFT_CATALOGUE": str(DEPLOY / mount[0])}
    return Catalog(Settings.read(given))


def test_every_variable_is_read_and_holds_what_is_allowed(environment: dict[str, str]) -> None:
    assert set(environment) <= {variable.name for variable in VARIABLES}
    settings = Settings.read(environment)
    assert settings.secret and settings.trusted_proxy_hops == 1


def test_addresses_lead_to_parts_and_their_ports(environment: dict[str, str]) -> None:
    settings = Settings.read(environment)
    assert make_url(str(settings.database_url)).host in PARTS
    vectors, generation = (urlsplit(str(url)) for url in (settings.chroma_url,
                                                          settings.openai_base_url))  # fmt: skip
    assert vectors.hostname in PARTS and generation.hostname in PARTS
    assert (vectors.port, generation.port) == (8000, 8000)  # what chroma and vLLM listen on
    serves = PARTS["app"]["build"]["dockerfile_inline"]
    assert f'"--port", "{settings.port}"' in serves
    assert f"dynamic a app {settings.port}" in COMPOSE["configs"]["caddyfile"]["content"]


def test_the_page_asks_for_models_that_are_served(catalog: Catalog) -> None:
    words = shlex.split(PARTS["generation"]["command"])
    served = {words[words.index("--served-model-name") + 1]}
    served |= {words[words.index("--lora-modules") + 1].split("=")[0]}
    asked = {e.model for e in catalog.entries.values() if e.card.kind == "openai_compatible"}
    assert asked == served
    assert catalog.default == "rolecraft-glm"
    assert all(entry.card.available for entry in catalog.entries.values())


def test_the_servers_are_those_the_tests_run_with() -> None:
    pins = (ROOT / "requirements.txt").read_text("utf-8")
    assert f"chromadb=={PARTS['vectors']['image'].split(':')[1]}" in pins


def test_the_image_has_no_talks_and_no_keys() -> None:
    left_out = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {".git", ".venv", ".env", "data", "runs"} <= set(left_out)


def test_the_arithmetic_is_that_of_the_code(environment: dict[str, str]) -> None:
    [row] = [one for one in SCALE.splitlines() if one.startswith("| 1,000,000 |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    replies, talks = (int(cells[place].replace(",", "")) for place in (1, 3))
    found = re.search(r"(\d+) processes", cells[5])
    assert found and replies == round(1_000_000 / 1800)
    processes = int(found[1])
    measured = re.search(r"\*\*(\d+(?:\.\d+)?) replies a second\*\*", SCALE)
    assert measured and processes * float(measured[1]) >= replies
    assert processes * at_once(environment) >= talks
    assert f"--scale app={processes}" in SCALE

    pool: Any = database._postgres_engine(make_url("postgresql+psycopg://a@b/c"), 1).pool
    most = pool.size() + pool._max_overflow
    told = re.search(r"POSTGRES_CONNECTIONS=(\d+)", SCALE)
    assert told and int(told[1]) >= processes * most
    usual = int(filled(PARTS["database"]["command"][-1]).split("=")[1])
    first = re.search(r"--scale app=(\d+)", (DEPLOY / "compose.yaml").read_text("utf-8"))
    assert first and usual > int(first[1]) * most


def at_once(environment: dict[str, str]) -> int:
    """Visitors whom a process of the deployment takes at once."""
    given = Settings.read({**environment, "ROLECRAFT_CATALOGUE": str(DEPLOY / "catalog.yaml")})

    class House:
        settings = given
        catalog = Catalog(given)

    found: int = Services.at_once.fget(House)  # type: ignore[attr-defined]
    return found
