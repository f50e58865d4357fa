"""Progress shows where somebody watches, and nowhere else."""

import contextlib
import io
import sys

from cae_keras.progress import progress_bar, relayed


class Terminal(io.StringIO):
    def isatty(self):
        return True


def count_to_three():
    with progress_bar(3, "counting sheep") as bar:
        for _ in range(3):
            bar.update()


def test_nothing_is_written_when_nobody_watches(capfd):
    count_to_three()
    assert capfd.readouterr() == ("", "")


def test_a_terminal_shows_it(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stderr", Terminal())
    count_to_three()
    assert "counting sheep |############| 100 %, 00:00 left\n" in sys.stderr.getvalue()
    assert capfd.readouterr() == ("", "")


def test_a_notebook_shows_it(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    count_to_three()
    out, err = capfd.readouterr()
    assert out == ""
    assert "counting sheep" in err


def test_a_bar_that_is_relayed_only_passes_its_steps_on(monkeypatch, tmp_path, capfd):
    file = tmp_path / "progress"
    monkeypatch.setenv("CAE_PROGRESS", str(file))
    steps = []
    with contextlib.suppress(ZeroDivisionError), relayed(lambda: steps.append(1)):
        count_to_three()
        with progress_bar(1, "more sheep") as bar:
            bar.set_postfix_str("all asleep")
            bar.update()
        assert len(steps) == 4
        assert not file.exists()
        1 / 0  # noqa: B018
    count_to_three()  # bars show again
    assert len(steps) == 4
    assert "100 %, 00:00 left [3/3 in " in file.read_text(encoding="utf-8")
    assert capfd.readouterr() == ("", "")
