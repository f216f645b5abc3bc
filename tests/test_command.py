"""Commands end bad input in one line and exit code 2."""

import pytest

from experiment import report_failures, run_command


def raising(error):
    def main(argv):
        raise error
    return main


@pytest.mark.parametrize("error, code, said", [
    (ValueError("steps must be\n 1 or more"), 2, "headsync: steps must be 1 or more"),
    (OSError(28, "No space left on device"), 2, "headsync: [Errno 28] No space left on device"),
    (ValueError(), 2, "headsync: ValueError"),
    (KeyboardInterrupt(), 130, "headsync: interrupted"),
])
def test_errors_are_one_line(capsys, error, code, said):
    assert run_command(raising(error), []) == code
    assert capsys.readouterr().err == said + "\n"


def test_exit_codes_and_arguments_pass_through():
    assert run_command(lambda argv: None, ["x"]) == 0 and run_command(lambda argv: len(argv), ["a", "b", "c"]) == 3


def test_our_own_mistakes_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda argv: 1 // 0, [])


def test_failures_are_listed(capsys):
    assert report_failures([]) == 0 and report_failures(["a.mp4: empty", "b.mp4: cut"]) == 1
    assert capsys.readouterr().err == "headsync: failed: a.mp4: empty\nheadsync: failed: b.mp4: cut\n"
