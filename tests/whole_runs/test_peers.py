"""The comparison with other libraries, as far as it goes without them."""

import sys
from argparse import Namespace

import peers
import pytest


def test_a_peer_is_trained_once_and_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which main() sets
    options = Namespace(out=tmp_path, seconds=0.2, every=0.1, trials=5)
    peers.train_one("modnav", 0, options)
    rows = peers.read(tmp_path)
    assert rows["cpu_s"].is_monotonic_increasing
    assert rows["cpu_s"].iloc[-1] >= 0.2
    assert rows["trials"].min() >= 2000  # those of the script
    assert rows["rewarded_1x"].between(0, 1).all()

    (tmp_path / "page.md").write_text("before\n\n| peer |\n| --- |\n\nafter\n")
    words = ["peers.py", "--out", str(tmp_path), "--peers", "modnav", "--seeds", "0"]
    monkeypatch.setattr(sys, "argv", [*words, "--seconds", "0.2"])
    assert peers.main() == 0
    assert "modnav seed 0: finished before" in capsys.readouterr().out
    assert (tmp_path / "peers.png").stat().st_size > 1000
    monkeypatch.setattr(sys, "argv", [*words, "--report", "--page", str(tmp_path / "page.md")])
    assert peers.main() == 0
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("before\n\n| peer | seed |")
    assert page.endswith(" |\n\nafter\n")
    assert "| modnav: modular, fast | 0 | never |" in page


@pytest.mark.parametrize("peer", ["recurrent_ppo", "td3_rnn"])
def test_what_is_not_installed_is_told(tmp_path, monkeypatch, capsys, peer):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["peers.py", "--out", str(tmp_path), "--peers", peer])
    assert peers.main() == 2
    assert "missing: pip install -c constraints.txt sb3-contrib skrl" in capsys.readouterr().out
