"""Steps that are seen: progress lines, commands with a helpful failure, and waiting."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from slipway_dev.errors import Failure

BEGUN = time.monotonic()
HEARTBEAT_SECONDS = 10.0
POLL_SECONDS = 0.1


def say(text: str) -> None:
    """Print a progress line with the time since the program began."""
    print(f"{time.monotonic() - BEGUN:7.1f}s  {text}", file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Tell that a step is done, and now and then that a long one is not."""
    done = Event()
    Thread(target=_beat, args=(title, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()
    say(title)


def _beat(title: str, done: Event) -> None:
    begun = time.monotonic()
    while not done.wait(HEARTBEAT_SECONDS):
        say(f"... {title}, for {time.monotonic() - begun:.0f} s so far")


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    remedy: str = "",
) -> str:
    """Run a command to its end and return its stdout.

    Args:
        command: program and arguments.
        stdin: text for its standard input; None closes it.
        environ: variables to set on top of this process's.
        cwd: the folder to run in.
        remedy: what to do when it fails.

    Raises:
        Failure: it can't be run or ended with an error; the message quotes its stderr.
    """
    shown = " ".join(str(word) for word in command)
    try:
        done = subprocess.run(
            [str(word) for word in command],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environ} if environ else None,
            cwd=cwd,
        )
    except OSError as error:
        raise Failure(f"`{shown}`", str(error), remedy=remedy) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise Failure(f"`{shown}`", f"status {done.returncode}: {said}", remedy=remedy)
    return done.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a command can be run and ends with status 0; its output is dropped."""
    try:
        run(command)
    except Failure:
        return False
    return True


def until(
    check: Callable[[], bool], what: str, seconds: float, failure: Callable[[], Failure]
) -> None:
    """Wait for a check to pass.

    Args:
        check: asked every tenth of a second; may raise Failure to give up early.
        what: the progress line.
        seconds: how long to wait.
        failure: makes the error when the time is over.
    """
    end = time.monotonic() + seconds
    with step(what):
        while not check():
            if time.monotonic() > end:
                raise failure()
            time.sleep(POLL_SECONDS)
