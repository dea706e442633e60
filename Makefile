# Every task of this project is one word here. Python 3.11 or newer with venv is all that must be there before.

PYTHON ?= python3
BIN := .venv/bin
PROJECT ?= deploy/projects/board
PORT ?= 8000
MUTANTS ?= 100000

.PHONY: help setup setup-system serve test test-long soak fuzz test-system check format bench bench-full clean

help:  ## show these words
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.done  ## make .venv with everything that development needs

.venv/.done: pyproject.toml constraints.txt hatch_build.py $(wildcard workers/*/*.c)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Framemill needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .venv/sdk-1.4.4 pekat-vision-sdk==1.4.4
	@touch $@

# RUNLEVEL=1: none of them is started here, for tests start their own
setup-system:  ## install what tests take from Debian: PostgreSQL, Chromium, HAProxy, nginx, debootstrap (root)
	apt-get update -qq
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		postgresql chromium haproxy nginx slowhttptest debootstrap >/dev/null

serve: .venv/.done  ## run the server with the example project (PROJECT=..., PORT=...)
	$(BIN)/framemill serve $(PROJECT) --port $(PORT)

test: .venv/.done  ## run all tests that need neither root nor minutes
	$(BIN)/pytest -n 2 --dist loadfile -m "not systemd and not soak and not long"

test-long: .venv/.done  ## those that would take `make test` past five minutes
	$(BIN)/pytest -n 2 --dist loadfile -m "long and not soak and not systemd"

soak: .venv/.done  ## the worst days of a server, minutes each; SOAK_MINUTES=240 for a night of all of them mixed
	$(BIN)/pytest -m soak -p no:cacheprovider -o faulthandler_timeout=0 --timeout 0 -rA

fuzz: .venv/.done  ## MUTANTS damaged JPEG and PNG files through the gate and the decoders; what they do is kept in .fuzz
	$(BIN)/python -m tests.fuzz --mutants $(MUTANTS) --folder .fuzz

test-system: .venv/.done  ## boot a real systemd and run the service in it (root, debootstrap)
	$(BIN)/pytest -m systemd

check: .venv/.done  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.done  ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.done  ## measure the running server from outside, some minutes on an idle machine
	$(BIN)/python -m bench

bench-full: .venv/.done  ## the same beside all peers, in all sizes, over 200,000 frames: up to an hour
	$(BIN)/python -m bench --full

clean:  ## drop what was made here
	rm -rf .venv build workers/*/lib*.so *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
