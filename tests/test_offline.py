"""The shipped page in a network of its own that leads nowhere: nothing may be fetched.

No variable tells a library to stay offline, and the home folder is empty: what is needed comes
from the repository or not at all.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
ALONE = ["unshare", "--net"]
# Run inside the network: only its own loopback is brought up.
INSIDE = """
import fcntl, signal, socket, struct, subprocess, sys, time, urllib.request

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loopback:
    fcntl.ioctl(loopback, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, up
try:
    socket.create_connection(("192.0.2.1", 80), 2)
    sys.exit("this network leads somewhere")
except OSError:
    pass
rolecraft = [sys.executable, "-m", "rolecraft"]
page = subprocess.Popen([*rolecraft, "serve"])
end = time.monotonic() + 240
while True:
    try:
        with urllib.request.urlopen("http://127.0.0.1:7860", timeout=5) as answer:
            print("page", answer.status, len(answer.read()))
        break
    except OSError:
        if page.poll() is not None or time.monotonic() > end:
            sys.exit("the page does not open")
        time.sleep(0.3)
page.send_signal(signal.SIGTERM)
print("left", page.wait(60))
subprocess.run([*rolecraft, "chat", "zhou-xiaobei", "你几岁？"], check=True)
"""


def in_a_network_alone() -> bool:
    """Whether this process may make a network of its own."""
    able = shutil.which("unshare") and subprocess.run([*ALONE, "true"], capture_output=True)
    return bool(able) and able.returncode == 0


@pytest.mark.timeout(600)
@pytest.mark.skipif(not in_a_network_alone(), reason="needs root and unshare (util-linux)")
def test_the_page_opens_and_a_character_answers_without_a_network(tmp_path: Path) -> None:
    shelf = tmp_path / "characters"
    # One character, without what everybody says: fewer passages are encoded.
    shutil.copytree(
        REPOSITORY / "characters" / "zhou-xiaobei",
        shelf / "zhou-xiaobei",
        ignore=shutil.ignore_patterns("everyday.jsonl"),
    )
    shutil.copy(REPOSITORY / "characters" / "instructions.yaml", shelf)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
        "ROLECRAFT_DATA_DIR": str(tmp_path / "data"),
        "ROLECRAFT_CHARACTERS": str(shelf),
    }
    ran = subprocess.run(
        [*ALONE, sys.executable, "-c", INSIDE],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=550,
    )  # fmt: skip
    said = ran.stdout + ran.stderr[-3000:]
    assert ran.returncode == 0, said
    assert "page 200" in ran.stdout and "left 0" in ran.stdout, said
    assert "周小北：" in ran.stdout and "Traceback" not in ran.stderr, said
