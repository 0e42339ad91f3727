# Two commands are enough: `make demo` and `make test`. Both set everything up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What demo and server need; on top of it what tests and tools need (exports, too), or exports alone.
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
WITH_DATASET := $(VENV)/.dataset
export PYTHONDONTWRITEBYTECODE ?= 1
# What is compiled, of tests and of the programs that they start, is kept where no source is. The libraries
# are compiled there, too, when they are first used: all of them take half a minute, those that are used six seconds.
COMPILED := $(CURDIR)/$(VENV)/compiled

# Of `make install`: where to, with the libraries or (INSTALL_VENV=no) the files alone, which units.
PREFIX ?= /opt/tracker
DESTDIR ?=
INSTALL_VENV ?= yes
# DATASET=yes: with the libraries of tracker-export and tracker-report.
DATASET ?= no
LOCK := $(if $(filter yes,$(DATASET)),requirements-dataset.lock,requirements.lock)
# Where alerts and dashboard say that runbooks are: an address that whoever is called at night can open.
RUNBOOKS ?= $(PREFIX)/docs/how-to/runbooks.md
UNITS ?= tracker.service tracker@.service tracker-blue.service tracker-green.service \
  $(if $(filter yes,$(DATASET)),tracker-export.service tracker-export.timer)
TO := $(DESTDIR)$(PREFIX)
ETC := $(DESTDIR)/etc

.PHONY: help demo dataset test tests-compiled tests-unit tests-live check bench drift torture path soak fuzz screens tutorial firsthour installation install install-venv lock pins sbom docs schema clean

help:  ## say what can be made
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3"; exit 78; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@touch $@

$(TOOLS): $(READY) requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

$(WITH_DATASET): $(READY) requirements-dataset.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dataset.lock
	@touch $@

dataset: $(WITH_DATASET)  ## install what tracker-export, tracker-report and actors.dataset need

COMPILING := check bench test tests-compiled tests-unit tests-live torture drift path soak fuzz screens tutorial firsthour docs schema
$(COMPILING): export PYTHONPYCACHEPREFIX := $(COMPILED)
$(COMPILING): export PYTHONDONTWRITEBYTECODE :=
# What they need first is installed as ever: what the demo imports is compiled beside its source.
$(READY) $(TOOLS) $(WITH_DATASET): export PYTHONPYCACHEPREFIX :=

demo: $(READY)  ## simulator + embedded PostgreSQL + tracker, with a live view (DEMO_SECONDS=30 ends by itself)
	@exec $(BIN)/python bin/tracker --demo $(if $(DEMO_SECONDS),--duration $(DEMO_SECONDS))

check: $(TOOLS)  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two tests at a time, and beside them three of those that mostly wait, which go first where both want the
# processors: each process has a PostgreSQL server of its own.
TWO := -n 2 --dist worksteal
THREE := -n 3 --dist worksteal
# Without what make tells the makes below it, since some tests run `make`.
TESTS := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(BIN)/python -m pytest
BESIDE := $(MAKE) --no-print-directory -j2

test: $(TOOLS)  ## every check and every test but the long ones, which make torture runs
	@rm -rf '$(COMPILED)/tmp'  # of copies that earlier tests made
	@$(BESIDE) check tests-compiled
	@$(BESIDE) --output-sync=target tests-live tests-unit
	$(TESTS) -m "not long and alone"
	$(BIN)/coverage report --include="$$($(BIN)/python -m tests.architecture.deciding)"
	@$(BIN)/coverage json -q -o - | $(BIN)/python -m tests.architecture.deciding judge

# While mypy has one processor: else each of five processes would compile everything.
tests-compiled: $(TOOLS)
	@$(TESTS) --collect-only -qq > $(VENV)/collected 2>&1 || { cat $(VENV)/collected; exit 1; }

# Only deciding modules are measured: to trace all lines of the others took more time than to run them.
tests-unit: $(TOOLS)
	nice -n 10 $(TESTS) $(TWO) --timeout 300 -m "not long and not live" --cov-report= \
	  $$($(BIN)/python -m tests.architecture.deciding measured)

# With `+` it is shown while it runs, and not at its end.
tests-live: $(TOOLS)
	+$(TESTS) $(THREE) -m "not long and live and not alone"

torture: $(TOOLS)  ## real processes under every fault, judged (ONLY=F1,F43 ROUNDS=200 HOURS=2 JOBS=1; ONLY=years SCALE=0.05)
	$(if $(ONLY),,$(BIN)/python -m pytest -q -m long)
	$(if $(ONLY),,$(BIN)/python -m pytest -q -m "not long and not live and not db" --hypothesis-profile=explore)
	@$(BIN)/python -m tests.chaos.torture $(if $(ONLY),--only $(ONLY)) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(HOURS),--hours $(HOURS)) $(if $(JOBS),--jobs $(JOBS)) $(if $(KEEP),--keep) $(if $(SCALE),--scale $(SCALE))

drift: $(TOOLS)  ## quiet markets, and each belief about Polymarket broken alone, judged (ONLY=keyset_gone,numbers MINUTES=5 JOBS=1)
	$(if $(ONLY),,@$(BIN)/python -m tests.chaos.quiet)
	@$(BIN)/python -m tests.chaos.drift $(if $(ONLY),--only $(ONLY)) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(JOBS),--jobs $(JOBS))

bench: $(TOOLS)  ## beside its rivals, which get a venv of their own (ONLY=wire,store TURNS=9)
	@$(BIN)/python -m tests.bench.bench $(if $(ONLY),--only $(ONLY)) \
	  $(if $(TURNS),--turns $(TURNS))

path: $(TOOLS)  ## count the files that one trade passes, and the changes of file (VERBOSE=1 lists the steps)
	@$(BIN)/python -m tests.architecture.trade_path $(if $(VERBOSE),--verbose)

soak: $(TOOLS)  ## renew docs/evidence/soak.md: one tracker through thousands of markets and every fault (MINUTES=90)
	@$(BIN)/python -m tests.chaos.soak $(if $(MINUTES),--minutes $(MINUTES))

fuzz: $(TOOLS)  ## damaged inputs for everything that strangers can send (SECONDS=600)
	@$(BIN)/python -m tests.fuzz.fuzz --seconds $(or $(SECONDS),60)

screens: $(TOOLS)  ## renew docs/evidence/screens (tracker-status) and docs/images (its page, reports); pictures of every state go to build
	@$(BIN)/python -m tests.cli.screens
	@$(BIN)/python -m tests.health.pages
	@$(BIN)/python -m tests.dataset.pages

tutorial: $(TOOLS)  ## renew docs/tutorial.ipynb and its picture: two demos, a release, each block of docs/tutorial.md
	@$(BIN)/python -m tests.docs.tutorial

firsthour: $(TOOLS)  ## renew docs/evidence/first_hour.txt: README.md carried out on a Debian that was just made (root, mmdebstrap)
	@$(BIN)/python -m tests.live.fresh > docs/evidence/first_hour.new \
	  && mv docs/evidence/first_hour.new docs/evidence/first_hour.txt \
	  || { rm -f docs/evidence/first_hour.new; exit 1; }

installation: $(TOOLS)  ## renew docs/evidence/installation.md: systemd/README.md carried out on a machine of its own (root)
	@$(BIN)/python -m tests.live.installation > docs/evidence/installation.new \
	  && mv docs/evidence/installation.new docs/evidence/installation.md \
	  || { rm -f docs/evidence/installation.new; exit 1; }

docs: screens schema  ## renew every page that is made from the source: configuration, status schema, labels, screens, schema
	@$(BIN)/python -m actors.config.manual > docs/reference/configuration.new \
	  && mv docs/reference/configuration.new docs/reference/configuration.md \
	  || { rm -f docs/reference/configuration.new; exit 1; }
	@$(BIN)/python bin/tracker-status --schema > docs/reference/status.schema.new \
	  && mv docs/reference/status.schema.new docs/reference/status.schema.json \
	  || { rm -f docs/reference/status.schema.new; exit 1; }
	@$(BIN)/python -m tests.resolution.market_classes --write

schema: $(TOOLS)  ## renew the comments of the database, sql/schema.sql and this version's snapshot from data.md and migrations
	@$(BIN)/python -m tests.database.schema_page

install:  ## lay out under PREFIX=/opt/tracker (DESTDIR= for packages): files, venv, unit, example settings
	@case '$(PREFIX)' in (/*[!/]*) ;; (*) echo 'PREFIX must be an absolute path below /'; exit 78;; esac
	@case '$(PREFIX)$(DESTDIR)' in (*[!A-Za-z0-9/._+-]*) echo 'PREFIX and DESTDIR must be plain paths'; exit 78;; esac
	@case '$(RUNBOOKS)' in (''|*[!A-Za-z0-9/._+:~=?%-]*) echo 'RUNBOOKS must be a plain path or URL, without #'; exit 78;; esac
	install -d -m 0755 '$(TO)' '$(TO)/systemd' '$(ETC)/tracker'
	install -d -m 0755 '$(ETC)/systemd/system' '$(ETC)/sysusers.d' '$(ETC)/tmpfiles.d'
	rm -rf '$(TO)/actors' '$(TO)/sql' '$(TO)/docs'
	cp -R actors bin sql docs '$(TO)'
	find '$(TO)/actors' '$(TO)/bin' '$(TO)/sql' -name __pycache__ -type d -prune -exec rm -rf {} +
	chmod -R u=rwX,go=rX '$(TO)/actors' '$(TO)/bin' '$(TO)/sql' '$(TO)/docs'
	install -m 0644 $(LOCK) LICENSE README.md CHANGELOG.md CONTRIBUTING.md '$(TO)'
	install -m 0644 systemd/README.md '$(TO)/systemd'
	for file in prometheus-alerts.yml grafana-dashboard.json; do \
	  sed -E 's|(runbook_url: \|"url": ")docs/how-to/runbooks\.md|\1$(RUNBOOKS)|' "systemd/$$file" > "$(TO)/systemd/$$file"; \
	  chmod 0644 "$(TO)/systemd/$$file"; done
	for unit in $(UNITS); do \
	  sed 's|/opt/tracker|$(PREFIX)|g' "systemd/$$unit" > "$(ETC)/systemd/system/$$unit"; \
	  chmod 0644 "$(ETC)/systemd/system/$$unit"; done
	install -m 0644 systemd/tracker.sysusers '$(ETC)/sysusers.d/tracker.conf'
	install -m 0644 systemd/tracker.tmpfiles '$(ETC)/tmpfiles.d/tracker.conf'
	install -m 0644 systemd/tracker.conf.example '$(ETC)/tracker/tracker.conf.example'
	test -e '$(ETC)/tracker/tracker.conf' || install -m 0644 systemd/tracker.conf.example '$(ETC)/tracker/tracker.conf'
	@if [ '$(INSTALL_VENV)' = no ]; then echo 'INSTALL_VENV=no: no libraries in $(TO)/.venv'; else \
	  $(MAKE) --no-print-directory install-venv; fi

install-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make install PYTHON=/path/to/python3"; exit 78; }
	$(PYTHON) -m venv '$(TO)/.venv'
	'$(TO)/.venv/bin/python' -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(LOCK)
	'$(TO)/.venv/bin/python' -m compileall -q '$(TO)/actors'

COMPILE = $(VENV)/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-annotate \
	  --no-emit-index-url --no-emit-find-links --allow-unsafe --no-header

lock: $(TOOLS)  ## renew requirements.lock (to run), -dataset.lock (with exports), -dev.lock (to develop) from setup.cfg
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet pip-tools
	$(COMPILE) --extra embedded --extra simulator -o requirements.lock setup.cfg
	$(COMPILE) --extra embedded --extra simulator --extra dataset --constraint requirements.lock \
	  -o requirements-dataset.lock setup.cfg
	$(COMPILE) --all-extras --constraint requirements-dataset.lock -o requirements-dev.lock setup.cfg

pins: $(TOOLS)  ## say which pinned packages are behind their newest version, and what holds them
	@$(BIN)/python -m tests.architecture.pins

sbom: $(TOOLS)  ## write build/sbom.cdx.json: what a server runs, with versions and hashes (CycloneDX)
	$(PYTHON) -m venv $(VENV)/sbom
	$(VENV)/sbom/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0
	@mkdir -p build
	$(VENV)/sbom/bin/cyclonedx-py requirements --output-reproducible --of JSON -o build/sbom.cdx.json requirements.lock
	@echo "build/sbom.cdx.json: $$(grep -c '"purl"' build/sbom.cdx.json) packages"

clean:  ## remove everything that make made, but never a state directory
	rm -rf $(VENV) .venv-bench build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
