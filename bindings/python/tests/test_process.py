"""Threads, forks, signals, and the command that comes with the wheel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import MODELS, command, shipped
from picoformer import Blob

TEXTS = ["please set a timer for ten minutes", "my credit card was stolen yesterday", "wake me up at seven"]


def run(program: str, seconds: float = 60) -> subprocess.CompletedProcess:
    """A program in a process of its own, which must end in time."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=seconds)


def test_threads_share_a_blob(intent: Blob, tales: Blob) -> None:
    expected = [intent.logits(text).tolist() for text in TEXTS]
    story = tales.generate("The king", max_tokens=16).finish()
    failures: list = []

    def ask(which: int) -> None:
        try:
            for i in range(20):
                text = TEXTS[(which + i) % 3]
                assert intent.logits(text).tolist() == expected[(which + i) % 3]
            assert tales.generate("The king", max_tokens=16).finish() == story
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures and not any(thread.is_alive() for thread in threads)


def test_threads_share_one_generation(tales: Blob) -> None:
    """Each piece goes to one of them, and none is lost."""
    alone = tales.generate("The king", max_tokens=40)
    expected = sorted(alone)
    shared, found = tales.generate("The king", max_tokens=40)._pieces, []
    threads = [threading.Thread(target=lambda: found.extend(shared)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == expected and shared.ids == alone.ids


def test_the_lock_is_released(g2p: Blob) -> None:
    """A thread goes on counting while another is in the engine: with the lock held it could not, for Python itself
    does not take the lock away here."""
    counted, running = 0, True

    def count() -> None:
        nonlocal counted
        while running:
            counted += 1
            time.sleep(0.001)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        thread = threading.Thread(target=count)
        thread.start()
        while counted == 0:
            time.sleep(0.001)
        before = counted
        g2p.translate("antidisestablishment " * 10)  # one call
        during = counted - before
    finally:
        running = False
        sys.setswitchinterval(interval)
    thread.join()
    assert during >= 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forks_answer(intent: Blob) -> None:
    import multiprocessing

    expected = [intent.classify(text).label for text in TEXTS]
    # A generation that is under way, and threads that have been there, must not matter.
    half = Blob.load(shipped("tales")).generate("The king", max_tokens=20)
    next(half)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        labels = pool.map_async(_label, [(intent, text) for text in TEXTS * 4]).get(60)
    assert labels == expected * 4
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if len(half.finish()) > 0 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert half.finish()


def _label(pair: tuple) -> str:
    blob, text = pair
    return blob.classify(text).label


INTERRUPTED = """
import signal, sys, threading, time, os, faulthandler
faulthandler.dump_traceback_later(50, exit=True)
import picoformer
blob = picoformer.Blob.load({blob!r})
def kill():
    time.sleep(0.3)
    kill.at = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=kill).start()
try:
    while True:
        {work}
except KeyboardInterrupt:
    late = time.monotonic() - kill.at
    print("interrupted", round(late, 3))
    # The blob is as good as before.
    assert {after}
    os._exit(0 if late < 0.5 else 3)
"""


@pytest.mark.parametrize(
    ("model", "work", "after"),
    [
        ("tales", "blob.generate('The king').finish()", "blob.generate('a', max_tokens=2).finish()"),
        ("tales", "blob.logits([5] * 250)", "blob.score([5, 6])"),
        ("intent", "blob.classify('set a timer')", "blob.classify('set a timer').label == 'timer'"),
        ("g2p", "blob.translate('internationalisation')", "blob.translate('a').text"),
        ("intent", f"picoformer.convert({str(MODELS / 'intent/checkpoint')!r})", "blob.bill()"),
    ],
)
def test_ctrl_c_is_answered(model: str, work: str, after: str) -> None:
    program = INTERRUPTED.format(blob=str(shipped(model)), work=work, after=after)
    ran = run(program)
    assert ran.returncode == 0 and "interrupted" in ran.stdout, (ran.returncode, ran.stdout, ran.stderr)


def test_ctrl_c_is_answered_within_one_call() -> None:
    """One call that takes seconds: 250 rows of a decoder, again and again in one thread of Rust."""
    program = INTERRUPTED.format(
        blob=str(shipped("tales")),
        work="blob.generate([5] * 200, temperature=1.0, max_tokens=10**6)._pieces.__next__() ; blob.logits([5] * 255)",
        after="True",
    )
    assert run(program).returncode == 0


def test_the_command_and_its_exit_status(tmp_path: Path) -> None:
    assert command("--version").stdout.startswith("picoformer ")
    assert command("run", shipped("intent"), "set a timer").stdout.split("\n")[0].endswith("timer")
    assert command("no-such-command").returncode == 2
    ran = command("inspect", tmp_path / "no.pico")
    assert ran.returncode == 1 and "no.pico" in ran.stderr and "Traceback" not in ran.stderr
    blob = tmp_path / "intent.pico"
    assert command("convert", MODELS / "intent/checkpoint", "-o", blob).returncode == 0
    assert blob.read_bytes() == shipped("intent").read_bytes()
    module = subprocess.run([sys.executable, "-m", "picoformer", "--version"], capture_output=True, text=True)
    assert module.returncode == 0 and module.stdout.startswith("picoformer ")


def test_the_command_is_that_of_cargo(tmp_path: Path) -> None:
    """The same words, the same output, the same status as the program that cargo builds."""
    if "PICOFORMER_COMMAND" not in os.environ:
        pytest.skip("PICOFORMER_COMMAND names no program of cargo's (cargo xtask python does)")
    for words in (
        ["run", shipped("intent"), "set a timer"],
        ["inspect", shipped("g2p")],
        ["run", shipped("intent"), "a timer " * 100],
        ["inspect", tmp_path / "no.pico"],
        ["convert"],
        ["--help"],
    ):
        words = list(map(str, words))
        other = subprocess.run([os.environ["PICOFORMER_COMMAND"], *words], capture_output=True, text=True)
        own = command(*words)
        assert (own.returncode, own.stdout, own.stderr) == (other.returncode, other.stdout, other.stderr)


def test_the_command_ends_at_ctrl_c() -> None:
    program = Path(sys.executable).with_name("picoformer")
    words = [program, "eval", shipped("g2p"), "--data", MODELS / "g2p/test.tsv"]
    running = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    assert running.wait(5) == -signal.SIGINT
    running.communicate()


def test_a_closed_pipe_ends_the_command_quietly() -> None:
    program = Path(sys.executable).with_name("picoformer")
    words = " ".join(map(str, [program, "tokenize", shipped("intent"), "--file", MODELS / "intent/phrases.txt", "--json"]))
    ran = subprocess.run(f"{words} | head -1", shell=True, capture_output=True, text=True, timeout=60)
    assert json.loads(ran.stdout)["ids"] and "Traceback" not in ran.stderr
