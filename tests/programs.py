"""The program as a process of its own, with all processes that it starts; for tests that interrupt it."""

import os
import sys
import time
import uuid
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import psutil

import landau_vae

ROOT = Path(landau_vae.__file__).parents[1]
MARK = "LANDAU_VAE_TEST_PROCESSES"


class Program:
    """A command that has been started in a folder, in a session of its own, as from a terminal."""

    def __init__(self, folder, *command, stdout=DEVNULL, code=None):
        self.mark = uuid.uuid4().hex
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": paths, MARK: self.mark}
        program = ["-m", "landau_vae"] if code is None else ["-c", code]
        self.process = Popen(
            [sys.executable, *program, *map(str, command)],
            cwd=folder, env=environment, stdout=stdout, stderr=PIPE, start_new_session=True,
        )  # fmt: skip

    def family(self, words=""):
        """The processes of this program that are still there, itself included, and whose command has these words."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE
                if ours and words in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue  # it has ended, or is another user's
        return found

    def workers(self):
        """Those that train; joblib starts them as a module of this name."""
        return self.family("popen_loky")

    def wait_for(self, true, seconds=60):
        """Wait until something is true, or the program has ended; half a minute is enough on a busy machine."""
        end = time.monotonic() + seconds
        while not true() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)

    def end(self):
        """Wait for the end; return the exit code and what was written to standard error."""
        _, errors = self.process.communicate(timeout=120)
        return self.process.returncode, errors.decode()

    def left_over(self, seconds=30):
        """Processes that are left: a worker that was just loading itself looks for its parent after that."""
        self.process.wait(seconds)  # before psutil does, and keeps the exit code
        end = time.monotonic() + seconds
        while (left := self.family()) and time.monotonic() < end:
            psutil.wait_procs(left, timeout=1)  # cheaper than another look at all processes
        return left
