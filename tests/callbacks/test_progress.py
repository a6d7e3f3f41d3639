"""What a training prints where nobody looks at a terminal."""

import re

from modnav.cli import main


def lines(out: str) -> list[str]:
    return re.findall(r"^phase I+  \d+/\d+ trials.*$", out, re.MULTILINE)


def test_a_log_gets_a_line_a_minute_and_one_at_the_end(small, monkeypatch, capsys):
    main(["fit", "--config", str(small)])
    assert len(lines(capsys.readouterr().out)) == 1  # it is over within the minute
    monkeypatch.setattr("modnav.callbacks.progress.LINE_S", 0.0)
    main(["fit", "--config", str(small), "--name", "slow"])
    told = lines(capsys.readouterr().out)
    assert len(told) > 3
    assert told[-1].startswith("phase III  60/60 trials") or "phase III  6" in told[-1]
