"""A few thousand of the fuzzer's mutants, and that the fuzzer itself would see and keep a death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path

import pytest

from tests.fuzz.campaign import Campaign, Tally
from tests.fuzz.mutate import mutant
from tests.fuzz.port import through_port
from tests.fuzz.seeds import seeds
from tests.support.running import Server

MUTANTS = 3000


def test_mutants_neither_end_a_process_nor_take_long_nor_much(tmp_path: Path) -> None:
    tally = Campaign(tmp_path, seed=7, mutants=MUTANTS, jobs=2).run(lambda _: None)
    assert tally.findings == {}
    assert tally.done == sum(tally.answers.values()) == MUTANTS
    # a fuzzer whose mutants all fall at the first check would find nothing
    assert tally.answers["decoded"] > MUTANTS / 50
    assert tally.answers["decoded, damaged"] > MUTANTS / 10


def test_mutants_over_http_harm_no_other_camera(server: Server) -> None:
    tally = through_port(server.url, range(600), partial(mutant, seeds(), 8), jobs=6)
    assert tally.findings == {}
    assert tally.answers["sound frames beside them"] > 0
    assert tally.answers["422"] > 100


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_20_000_mutants_over_http_harm_no_other_camera(server: Server) -> None:
    tally = through_port(server.url, range(20_000), partial(mutant, seeds(), 9), jobs=8)
    print(tally.answers)
    assert tally.findings == {}


def test_a_mutant_follows_from_seed_and_number() -> None:
    assert len(set(seeds())) > 180
    code = "from tests.fuzz.mutate import *; from tests.fuzz.seeds import *; import zlib; "
    code += "print([zlib.crc32(mutant(seeds(), 5, n)) for n in range(50)])"
    environment = {**os.environ, "PYTHONHASHSEED": "99"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == [zlib.crc32(mutant(seeds(), 5, number)) for number in range(50)]


def test_a_death_is_kept_with_its_bytes_and_the_campaign_goes_on(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_once(tally: Tally) -> None:
        if not killed:
            killed.append(tally.done)
            os.kill(next(iter(campaign.pids())), signal.SIGKILL)

    campaign = Campaign(tmp_path, seed=3, mutants=800, jobs=1)
    tally = campaign.run(kill_once)
    assert tally.done == 800
    [(number, finding)] = tally.findings.items()
    assert "SIGKILL" in finding
    assert (tmp_path / f"{number}.bin").read_bytes() == mutant(seeds(), 3, number)


def test_a_campaign_that_was_left_goes_on_where_it_was(tmp_path: Path) -> None:
    def leave(tally: Tally) -> None:
        if tally.done >= 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Campaign(tmp_path, seed=3, mutants=800, jobs=1).run(leave)
    begun = json.loads((tmp_path / "state.json").read_text())
    assert 500 <= begun["done"] < 800
    tally = Campaign(tmp_path, seed=3, mutants=800, jobs=1).run(lambda _: None)
    assert tally.done == sum(tally.answers.values()) == 800
    again = Campaign(tmp_path, seed=3, mutants=800, jobs=1).run(lambda _: None)
    assert again == tally
