# Two commands matter: `make repro` and `make test`. Everything else is for those who work on the package.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= results
PRESET ?= standard

.PHONY: repro test docs lint format evidence mutants bench notebook executed-notebooks clean

repro: $(VENV)/installed
	$(BIN)/python -m paper_repro all --preset $(PRESET) --out $(OUT)

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not evidence and not site"

docs: $(VENV)/installed
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -d build/doctrees docs build/site
	$(BIN)/python -m pytest -m site tests/docs
	@echo "site: build/site/index.html"

evidence: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,peers,cluster,equinox,flax]"
	XLA_FLAGS= $(BIN)/python -m pytest -n 2 -m evidence
	$(BIN)/python -m pytest tests/sims/models/test_adapters.py tests/test_own_network_page.py
	$(BIN)/python -m tests.mutants

mutants: $(VENV)/installed
	$(BIN)/python -m tests.mutants

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks

notebook: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[lab]"
	$(BIN)/jupyter lab notebooks/upweighting.ipynb

executed-notebooks: $(VENV)/installed
	$(BIN)/python -m notebooks

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) results build *.egg-info
