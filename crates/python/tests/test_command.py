"""The command that the wheel brings, which $IMPASTO names: Ctrl-C, and a run that goes on."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

COMMAND = os.environ.get("IMPASTO")
pytestmark = [
    pytest.mark.skipif(not COMMAND, reason="$IMPASTO names no command"),
    pytest.mark.skipif(sys.platform == "win32", reason="there are no signals"),
]


@pytest.fixture
def words(tmp_path):
    image = pytest.importorskip("PIL.Image")
    i, j = np.mgrid[:48, :48]
    for name, scale in [("content.png", 5), ("style.png", 2)]:
        image.fromarray(np.uint8(np.stack([i * scale, j * 3, (i + j) * 2], axis=2) % 256)).save(tmp_path / name)
    run = "--weights random:3 --size 48 --scales 1 --steps 60 --optimizer adam".split()
    return [COMMAND, "transfer", "content.png", "style.png", *run]


def test_ctrl_c_leaves_a_picture_and_the_run_goes_on_to_the_same_bits(words, tmp_path):
    subprocess.run([*words, "-o", "whole.png", "--quiet"], cwd=tmp_path, check=True)
    log = tmp_path / "log.jsonl"
    # Again if the run was done before it could be interrupted.
    for _ in range(20):
        log.unlink(missing_ok=True)
        run = subprocess.Popen([*words, "-o", "part.png", "--checkpoint", "run.ckpt", "--log", log.name], cwd=tmp_path)
        while run.poll() is None and (not log.exists() or log.read_text().count("\n") < 3):
            time.sleep(0.005)
        run.send_signal(signal.SIGINT)
        if run.wait(600) != 0:
            break
    assert run.returncode == 130
    assert (tmp_path / "part.png").exists() and (tmp_path / "run.ckpt").exists()
    subprocess.run([COMMAND, "resume", "run.ckpt"], cwd=tmp_path, check=True)
    image = pytest.importorskip("PIL.Image")
    whole, part = (np.asarray(image.open(tmp_path / name)) for name in ("whole.png", "part.png"))
    np.testing.assert_array_equal(part, whole)
