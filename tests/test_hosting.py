"""space.yaml as it ships, broken in every way it can be, and rendered."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rolecraft.errors import ConfigurationError
from rolecraft.hosting import check_space, read_space, render_readme, render_space
from rolecraft.hosting.check import MAX_BYTES

REPOSITORY = Path(__file__).parents[1]
SHIPPED = REPOSITORY / "space.yaml"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A small repository that can be hosted."""
    root = tmp_path / "home"
    (root / "rolecraft" / "ui" / "__pycache__").mkdir(parents=True)
    (root / "app.py").write_text("print('here')\n")
    (root / "requirements.txt").write_text("torch==2.13.0\ngradio==6.31.0  # the page\n")
    (root / "rolecraft" / "ui" / "app.py").write_text("")
    (root / "rolecraft" / "ui" / "__pycache__" / "app.pyc").write_text("")
    (root / "rolecraft" / "__init__.py").write_text("")
    space = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    space["include"] = ["app.py", "requirements.txt", "rolecraft/**"]
    write(root, space)
    return root


def write(root: Path, space: object) -> Path:
    path = root / "space.yaml"
    path.write_text(yaml.safe_dump(space, allow_unicode=True), encoding="utf-8")
    return path


def changed(root: Path, change: Change) -> Path:
    space = yaml.safe_load((root / "space.yaml").read_text(encoding="utf-8"))
    change(space)
    return write(root, space)


def test_the_shipped_file_is_in_order() -> None:
    assert check_space(SHIPPED) == []


def test_the_small_repository_is_in_order(home: Path) -> None:
    assert check_space(home / "space.yaml") == []


def front(**values: object) -> Change:
    return lambda space: space["front_matter"].update(values)


def variables(**values: object) -> Change:
    return lambda space: space["variables"].update(values)


def whole(**values: object) -> Change:
    return lambda space: space.update(values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (whole(repo="a/b"), "unknown key repo. Did you mean repo_id?"),
        (front(colourFrom="red"), "unknown key front_matter.colourFrom. Did you mean colorFrom?"),
        (front(x_y="1"), "unknown key front_matter.x_y. Known: title, emoji"),
        (whole(smoke_test={"paths": "/"}), "smoke_test.paths. Did you mean path?"),
        (lambda s: s.pop("repo_id"), "repo_id is missing"),
        (whole(repo_id="rolecraft"), "repo_id is 'rolecraft'"),
        (whole(visibility="hidden"), "visibility is 'hidden'"),
        (whole(sleep_time=-1), "sleep_time is -1"),
        (whole(include=[]), "include is []"),
        (front(python_version=3.11), "python_version is 3.11: write it in quotes"),
        (front(python_version="3.10"), "RoleCraft needs 3.11 or later"),
        (front(python_version="3.11-slim"), "written like"),
        (front(sdk="docker"), "front_matter.sdk is 'docker'"),
        (front(sdk_version="6.0.0"), "requirements.txt pins gradio 6.31.0"),
        (front(app_file="main.py"), "app_file is 'main.py', which is no file"),
        (front(colorTo="crimson"), "Known: red, yellow"),
        (front(short_description="x" * 61), "at most 60 characters"),
        (whole(hardware="cpu-large"), "hardware is 'cpu-large'. Known: cpu-basic"),
        (whole(hardware="zero-a10g"), 'write "3.12.12"'),
        (whole(hardware="zero-a10g"), "pins torch 2.13.0; ZeroGPU lists"),
        (whole(hardware="zero-a10g"), 'Write pins: {torch: "2.11.0"}'),
        (whole(hardware="zero-a10g"), "the small model needs no GPU"),
        (whole(pins={"troch": "2.11.0"}), "pins.troch is not pinned"),
        (whole(pins={"torch": 2.11}), "pins.torch is 2.11: write it in quotes"),
        (variables(SPACES_ZERO_GPU="true"), "is set by Hugging Face"),
        (variables(ROLECRAFT_PROFIL="mini"), "Did you mean ROLECRAFT_PROFILE?"),
        (variables(HOME="/"), "variables.HOME is no setting. Known: ROLECRAFT_DATA_DIR"),
        (variables(ROLECRAFT_PORT=7860), "variables.ROLECRAFT_PORT: write it in quotes"),
        (variables(ROLECRAFT_PROFILE="big"), "Allowed: mini or chatglm3"),
        (variables(GRADIO_ANALYTICS_ENABLED="True"), "gradio reports every start"),
        (lambda s: s["variables"].pop("GRADIO_RUN_HISTORY"), "kept in the visitor's browser"),
        (lambda s: s["variables"].pop("ROLECRAFT_HOST"), "reaches the page"),
        (variables(ROLECRAFT_TRUSTED_PROXY_HOPS="0"), "share one rate limit"),
        (lambda s: s["secrets"].append({"name": "OPENAI_KEY"}), "OPENAI_KEY is no setting"),
        (lambda s: s["secrets"].append({"nam": "X"}), "secrets.1.nam. Did you mean name?"),
        (whole(volumes=[{"type": "disk", "source": "me/x", "mount_path": "/d"}]), "'disk'"),
        (whole(volumes=[{"type": "bucket", "source": "me/x", "mount_path": "d"}]), "mount_path"),
        (
            whole(volumes=[{"type": "bucket", "source": "me/x", "mount_path": "/data"}] * 2),
            "two are mounted at /data",
        ),
        (
            whole(
                volumes=[{"type": "model", "source": "a/b", "mount_path": "/m", "read_only": False}]
            ),
            "a model can only be read",
        ),
        (whole(include=["app.py", "requirements.txt", "nothing/**"]), "'nothing/**' matches no"),
        (whole(include=["app.py", "requirements.txt", "rolecraft"]), "Write 'rolecraft/**'"),
        (whole(include=["../**"]), "leaves the repository"),
        (whole(include=["app.py", "rolecraft/**"]), "requirements.txt is not pushed"),
        (whole(include=["requirements.txt", "rolecraft/**"]), "app.py is not pushed"),
        (whole(smoke_test={"path": "/", "timeout": 0}), "smoke_test.timeout is 0"),
    ],
)
def test_a_fault_is_said_with_its_cure(home: Path, change: Change, said: str) -> None:
    path = changed(home, change)
    problems = check_space(path)
    assert any(said in problem for problem in problems), problems
    assert all(problem.startswith(f"{path}: ") for problem in problems)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["secrets"][0].update(value="sk-hidden"),
        whole(secrets=["OPENAI_API_KEY=sk-hidden"]),
        whole(secrets={"OPENAI_API_KEY": "sk-hidden"}),
        variables(OPENAI_API_KEY="sk-hidden"),
        variables(HF_TOKEN="sk-hidden"),
        variables(ROLECRAFT_DATABASE_URL="postgresql://me:sk-hidden@db/talks"),
    ],
)
def test_a_secret_with_a_value_is_refused_and_not_repeated(home: Path, change: Change) -> None:
    problems = check_space(changed(home, change))
    assert problems
    assert "sk-hidden" not in "\n".join(problems)


def test_the_database_stays_off_a_network_mount(home: Path) -> None:
    def mount(space: dict[str, Any]) -> None:
        space["volumes"] = [{"type": "bucket", "source": "me/talks", "mount_path": "/data"}]
        space["variables"]["ROLECRAFT_DATA_DIR"] = "/data/rolecraft"

    [problem] = check_space(changed(home, mount))
    assert "inside a volume" in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("repo_id: [a\nsecret: sk-hidden", "line 2"),
        ("- a\n- b", "holds no mapping"),
        ("", "holds no mapping"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_what_is_no_yaml_is_said(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = tmp_path / "space.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    [problem] = check_space(path)
    assert said in problem
    assert "sk-hidden" not in problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    [problem] = check_space(tmp_path / "no.yaml")
    assert "no.yaml does not exist" in problem


def test_private_files_links_and_too_much_are_not_pushed(home: Path) -> None:
    (home / ".env").write_text("OPENAI_API_KEY=sk-1")
    (home / "README.md").write_text("# Home")
    (home / "rolecraft" / "link.py").symlink_to(home / "app.py")
    with (home / "rolecraft" / "weights.bin").open("wb") as file:
        file.truncate(MAX_BYTES)  # sparse: no disk is used
    problems = "\n".join(check_space(changed(home, whole(include=["**"]))))
    for said in (
        ".env may hold keys", "README.md is written", "rolecraft/link.py is a link", "1,000 MB",
    ):  # fmt: skip
        assert said in problems


def test_a_repository_without_requirements_is_no_space(home: Path) -> None:
    (home / "requirements.txt").unlink()
    assert "there is no requirements.txt" in "\n".join(check_space(home / "space.yaml"))


def test_what_is_rendered_is_what_was_chosen(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "space"
    files = render_space(home / "space.yaml", out)
    on_disk = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    assert set(files) == on_disk == {
        Path(name)
        for name in (
            "README.md", "app.py", "requirements.txt", "rolecraft/__init__.py",
            "rolecraft/ui/app.py",
        )
    }  # fmt: skip
    assert (out / "app.py").read_text() == "print('here')\n"
    assert [path.name for path in out.parent.iterdir()] == ["space"]


def test_a_space_on_zero_gpu_is_in_order(home: Path, tmp_path: Path) -> None:
    def lend(space: dict[str, Any]) -> None:
        weights = "/home/user/app/models/chatglm3-6b"
        space |= {"hardware": "zero-a10g", "pins": {"torch": "2.11.0"}}
        space["front_matter"]["python_version"] = "3.12.12"
        space["variables"]["ROLECRAFT_PROFILE"] = "chatglm3"
        space["volumes"] = [{"type": "model", "source": "me/chatglm3-6b", "mount_path": weights}]

    path = changed(home, lend)
    assert check_space(path) == []
    render_space(path, tmp_path / "out")
    written = (tmp_path / "out" / "requirements.txt").read_text()
    assert written == "torch==2.11.0\ngradio==6.31.0  # the page\n"
    assert "suggested_hardware: zero-a10g" in (tmp_path / "out" / "README.md").read_text()


def test_the_rendered_front_matter_says_what_the_file_says(home: Path) -> None:
    space = read_space(SHIPPED)
    _, front_matter, body = render_readme(space).split("---\n")
    given = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert yaml.safe_load(front_matter) == {
        "suggested_hardware": given["hardware"],
        **given["front_matter"],
    }
    assert "a machine writes every reply" in " ".join(body.split())
    assert "OPENAI" not in front_matter + body


def test_an_empty_folder_is_taken_and_a_full_one_refused(home: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert render_space(home / "space.yaml", empty)
    with pytest.raises(ConfigurationError, match="is not empty"):
        render_space(home / "space.yaml", empty)


def test_nothing_is_rendered_from_a_faulty_file(home: Path, tmp_path: Path) -> None:
    path = changed(home, front(sdk_version="1.0.0"))
    with pytest.raises(ConfigurationError, match="sdk_version"):
        render_space(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_rendered_space_starts_on_its_own(tmp_path: Path) -> None:
    """Only what is pushed is there: nothing may be imported that was left out."""
    out = tmp_path / "space"
    render_space(SHIPPED, out)
    done = subprocess.run(
        [sys.executable, "-c", "import app, rolecraft.__main__ as m; m.main(['engines'])"],
        capture_output=True, text=True, cwd=out, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rolecraft-mini" in done.stdout
