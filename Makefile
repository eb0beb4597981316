# make demo: install, pull a trained model, draw with it.  make test: install, run all tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= demo

.PHONY: demo test slow lint types format clean

demo: $(VENV)/installed
	@mkdir -p $(OUT)
	$(BIN)/drawzoo pull model3-mnist
	$(BIN)/drawzoo sample --steps 10 --out $(OUT)/digits.png --gif $(OUT)/drawing.gif
	@echo "The digits: $(abspath $(OUT)/digits.png)"
	@echo "How they were drawn: $(abspath $(OUT)/drawing.gif)"

test: $(VENV)/installed
	$(BIN)/pytest

slow: $(VENV)/installed
	$(BIN)/pytest -m slow

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OUT) build *.egg-info

# torch and torchvision in one go, so that pip takes a pair that fits.
$(VENV)/installed: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[dev]'
	@touch $@
