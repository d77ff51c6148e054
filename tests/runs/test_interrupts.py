"""Ctrl-C and SIGTERM: at once, or noted while work saves; handlers come and go with the command."""

import signal
import subprocess
import sys
import threading

import pytest

from distill.cli.exit import how_to_resume
from distill.runs.interrupts import Interrupted, StopRequest


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_at_once_or_when_work_lets_it(number: int, status: int) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    stop, done = StopRequest(), []
    with pytest.raises(KeyboardInterrupt), stop.listening():
        signal.raise_signal(number)
        done.append("not reached")
    assert (stop.asked, stop.exit_status) == (True, status)
    stop = StopRequest()
    with pytest.raises(KeyboardInterrupt), stop.listening(), stop.deferred():
        signal.raise_signal(number)
        done.append("saved")
    assert done == ["saved"]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_nobody_asked_and_nothing_happens() -> None:
    stop = StopRequest()
    with stop.listening(), stop.deferred():
        stop.check()
    assert not stop.asked


def test_the_second_signal_ends_the_process_whatever_it_does() -> None:
    code = (
        "import signal, time; from distill.runs.interrupts import StopRequest; stop = StopRequest()\n"
        "with stop.listening(), stop.deferred():\n"
        "    signal.raise_signal(signal.SIGINT); print('saving', flush=True); signal.raise_signal(signal.SIGINT)\n"
        "    time.sleep(600)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == -signal.SIGINT
    assert (done.stdout, done.stderr) == ("saving\n", "")


def test_other_threads_are_left_alone() -> None:
    stop, found = StopRequest(), []

    def work() -> None:
        with stop.listening():
            found.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


def test_the_sentence_gives_the_command_as_it_was_typed() -> None:
    typed = ("run", "mine.toml", "--set", "teacher.model=my model")
    message = how_to_resume(Interrupted("labels/train"), "/venv/bin/distill", typed)
    assert message == (
        "Interrupted during stage labels/train. To resume, run: "
        "/venv/bin/distill run mine.toml --set 'teacher.model=my model'"
    )
    assert how_to_resume(KeyboardInterrupt(), "-c", ["run"]) == "Interrupted. To resume, run: distill run"
