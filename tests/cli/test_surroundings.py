"""What is around the program: a full disk, closed streams, signals at any moment, a worker that is killed."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from programs import Program

import landau_vae as lv
from landau_vae.cli import main, signals, streams
from landau_vae.exits import BAD_INPUT, FAULT, INTERRUPTED, STOPPED, is_program

posix = pytest.mark.skipif(os.name != "posix", reason="signals and devices of POSIX")
TABLE = "a,b,c\n3,0,0\n-3,0,0\n0,2,0\n0,-2,0\n0,0,1\n0,0,-1\n"
VERIFY = ["verify", "x.csv", "--exact", "--points", 24, "--seeds", 12, "--workers", 2, "--output", "out"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one_sentence(errors):
    """The only line that the program itself has written."""
    [line] = [line for line in errors.splitlines() if line.startswith("landau-vae: ")]
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    return line


# ------------------------------------------------------------------------------------------ standard output


class Full:
    """A stream on a full disk."""

    def __init__(self, problem):
        self.problem = problem

    def write(self, text):
        return len(text)

    def flush(self):
        raise self.problem

    def fileno(self):
        return self.target


@pytest.mark.parametrize(
    ("problem", "code"), [(OSError(28, "No space left on device"), 2), (BrokenPipeError(32, "Broken pipe"), 0)]
)
@pytest.mark.parametrize("command", [["thresholds", "x.csv"], ["thresholds", "x.csv", "--json"], ["--version"]])
def test_output_that_cannot_be_written(folder, monkeypatch, capsys, command, problem, code):
    """A full disk is a sentence and exit code 2; that nobody reads a pipe any more is no error."""
    stream = Full(problem)
    with open(folder / "sink", "w") as file:
        stream.target = file.fileno()
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(command) == code
    errors = capsys.readouterr().err
    if code == BAD_INPUT:
        assert "No space left on device" in one_sentence(errors)


@posix
@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "> /dev/full 2>&-", "<&- >&- 2>&-"])
def test_streams_of_a_shell(folder, redirection):
    """In a process of its own, because what waits in buffers is written when it ends."""
    program = f"{sys.executable} -m landau_vae --version {redirection}"
    run = subprocess.run(program, shell=True, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == BAD_INPUT
    assert run.stdout == ""
    if "2>" not in redirection:
        assert "Output cannot be written" in one_sentence(run.stderr)
        assert len(run.stderr.splitlines()) == 1


@posix
def test_a_full_disk_of_standard_error_ends_nothing(folder):
    """Progress and reports that nobody can read are no reason to stop."""
    with open("/dev/full", "w") as full, open(folder / "out.txt", "w") as out:
        command = [sys.executable, "-m", "landau_vae", *map(str, VERIFY[:-4]), "--workers", "1"]
        run = subprocess.run(command, stdout=out, stderr=full, check=False, timeout=120)
    assert run.returncode == 0
    assert "3 of 3" in (folder / "out.txt").read_text()


def test_an_error_of_a_file_is_not_taken_for_one_of_output(capsys):
    with pytest.raises(FileNotFoundError), streams.output():
        raise FileNotFoundError(2, "No such file or directory", "x.csv")


# ------------------------------------------------------------------------------------------ exit codes


@pytest.fixture
def instead(monkeypatch):
    """A function to carry out in place of any command."""
    return lambda work: monkeypatch.setattr("landau_vae.cli.commands.run", lambda arguments: work())


@pytest.mark.parametrize(
    ("problem", "code", "words"),
    [
        (lv.InputError("start is 1: give more.", "start"), BAD_INPUT, "landau-vae: --from is 1: give more."),
        (lv.OutsideTheory("No answer."), BAD_INPUT, "No answer."),
        (lv.WorkerLost("A worker was ended: again."), STOPPED, "A worker was ended: again."),
        (MemoryError("Unable to allocate 8.00 GiB for an array."), STOPPED, "Memory ran out (Unable to allocate 8.00"),
        (MemoryError(), STOPPED, "Memory ran out: give fewer"),
        (PermissionError(13, "Permission denied", "y.csv"), BAD_INPUT, "y.csv cannot be used (Permission denied)"),
        (KeyboardInterrupt(), INTERRUPTED, "landau-vae: interrupted; no file is left half-written."),
    ],
)
def test_each_end_has_a_code_and_a_sentence(instead, capsys, problem, code, words):
    def work():
        raise problem

    instead(work)
    assert main(["thresholds", "x.csv"]) == code
    assert words in one_sentence(capsys.readouterr().err)


def test_an_error_of_the_program_is_raised_to_a_caller_and_is_no_verdict(instead):
    """From the shell it has an exit code of its own, because Python's would be that of a disagreement."""
    instead(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["thresholds", "x.csv"])
    code = "import sys; from landau_vae.cli import commands, main; commands.run = lambda _: 1 / 0; sys.exit(main())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == FAULT
    assert "ZeroDivisionError" in run.stderr


# ------------------------------------------------------------------------------------------ signals


def test_the_handlers_of_a_caller_stay(folder, capsys):
    """A call in a process does not change what signals do there, neither meanwhile nor later."""
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        assert main(["--version"]) == 0
        signal.raise_signal(signal.SIGTERM)
        assert seen == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_work(instead, capsys, number):
    """The exit code is what shells expect, also where an interrupt has become another error on its way."""

    def work():
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise ImportError("numpy could not be imported") from None

    instead(work)
    assert main(["thresholds", "x.csv"]) == 128 + number
    assert "interrupted" in one_sentence(capsys.readouterr().err)


@posix
def test_an_interrupt_that_comes_twice_does_not_disturb_the_tidying(instead, capsys):
    """As from a launcher, which passes on what the terminal has sent to the program too; a later one does."""
    tidied = []

    def work(seconds):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            time.sleep(seconds)
            signal.raise_signal(signal.SIGINT)
            tidied.append(seconds)

    for seconds in (0, signals.TIDY):
        instead(lambda seconds=seconds: work(seconds))
        assert main(["thresholds", "x.csv"]) == INTERRUPTED
        assert "interrupted" in one_sentence(capsys.readouterr().err)
    assert tidied == [0]


class Held:
    """Something with a callback in which Ctrl-C comes."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@posix
def test_an_interrupt_in_a_callback_comes_again(instead, capsys):
    """Python drops what is raised there, and would print a traceback."""

    def work():
        Held()
        for _ in range(1000):  # ten seconds, if nothing came
            time.sleep(0.01)
        return 0

    instead(work)
    assert main(["thresholds", "x.csv"]) == INTERRUPTED
    assert "interrupted" in one_sentence(capsys.readouterr().err)


@posix
@pytest.mark.parametrize(
    ("started", "command", "expected"),
    [
        ("/usr/bin/landau-vae", [], True),
        ("landau-vae.exe", [], True),
        ("-m", ["python", "-m", "landau_vae"], True),
        ("-m", ["python", "-X", "utf8", "-m", "landau_vae", "thresholds"], True),
        ("-m", ["python", "-m", "other", "landau_vae"], False),
        ("landau-vae.py", ["python", "landau-vae.py"], False),
        ("train.py", ["python", "train.py", "landau_vae"], False),
    ],
)
def test_only_the_program_itself_is_ended_at_once(monkeypatch, started, command, expected):
    monkeypatch.setattr(sys, "argv", [started])
    monkeypatch.setattr(sys, "orig_argv", command)
    assert is_program() == expected


def test_pictures_need_no_window(folder, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    assert Program(folder, "thresholds", "x.csv", "--output", "a.png").end() == (0, "written: a.png\n")


# Python has a traceback of its own for Ctrl-C in its first moments, until the first line of this package has been read.
AS_INSTALLED = """
import sys
sys.argv[0] = "landau-vae"
import landau_vae.exits
print(flush=True)
from landau_vae.cli import main
sys.exit(main())
"""


def interrupted(folder, chance, longest):
    """Start a command, send Ctrl-C or SIGTERM at some moment, now and then twice; check what is left of it."""
    command = chance.choice([["thresholds", "x.csv", "--output", "a.png"], ["bifurcate", "x.csv"], ["--help"]])
    program = Program(folder, *command, stdout=subprocess.PIPE, code=AS_INSTALLED)
    program.process.stdout.readline()
    time.sleep(chance.uniform(0, longest))
    number = chance.choice([signal.SIGINT, signal.SIGTERM])
    for _ in range(chance.choice([1, 1, 2])):
        program.process.send_signal(number)
        time.sleep(chance.uniform(0, 0.05))
    code, errors = program.end()
    # After its sentence the program may be ended by a second signal, while Python takes itself apart.
    assert code in (0, 128 + number, -number), errors
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    assert [path.name for path in folder.iterdir() if path.name.endswith(".part")] == []
    return code


@posix
def test_interrupted_while_it_loads(folder):
    chance = random.Random(7)
    assert [interrupted(folder, chance, 0.3) for _ in range(4)]


@posix
@pytest.mark.slow
def test_interrupted_at_any_moment(folder):
    """Twenty times over two seconds, which a short command takes."""
    chance = random.Random(8)
    codes = [interrupted(folder, chance, 2.0) for _ in range(20)]
    assert sum(code != 0 for code in codes) > 10


# ------------------------------------------------------------------------------------------ processes


@posix
def test_a_killed_worker_is_a_sentence_and_not_a_verdict(folder):
    """What is finished is kept, and the same command goes on."""
    program = Program(folder, *VERIFY)
    program.wait_for(lambda: list(folder.glob("out/scan/task-*")))
    program.workers()[0].kill()
    code, errors = program.end()
    assert code == STOPPED
    assert "run the same again (out/scan keeps what is finished)" in one_sentence(errors)
    assert not program.left_over()
    finished = {path.name: path.stat().st_mtime_ns for path in folder.glob("out/scan/task-*")}
    code, errors = Program(folder, *VERIFY).end()
    assert code == 0, errors
    assert {name: (folder / "out/scan" / name).stat().st_mtime_ns for name in finished} == finished


@posix
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_of_a_terminal_to_all_processes_is_a_sentence(folder, number):
    """Workers, and the process that keeps account of their memory, leave it to the program."""
    program = Program(folder, *VERIFY[:6], 200, *VERIFY[7:])
    program.wait_for(lambda: list(folder.glob("out/scan/task-*")))
    os.killpg(program.process.pid, number)
    code, errors = program.end()
    assert code == 128 + number
    assert "interrupted" in one_sentence(errors)
    assert not program.left_over()
