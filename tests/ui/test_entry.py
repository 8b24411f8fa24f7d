"""`import app` opens nothing and loads nothing heavy."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_importing_the_entry_is_cheap(tmp_path: Path) -> None:
    code = (
        "import sys, app; heavy = {"
        "'gradio', 'torch', 'chromadb', 'FlagEmbedding'} & set(sys.modules);"
        "assert not heavy, heavy; assert hasattr(app, '__getattr__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
