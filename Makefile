# make demo: install, pull a trained model, draw with it.  make test: install, run the tests.
# make docs: the site of the documentation, in build/docs.
# make dist: the wheel of this platform and the source distribution, in dist.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= demo

.PHONY: demo test slow lowest dist docs pages notebooks lint types format gallery clean

demo: $(VENV)/installed
	@mkdir -p $(OUT)
	$(BIN)/drawzoo pull model2-mnist
	$(BIN)/drawzoo sample --steps 10 --out $(OUT)/digits.png --gif $(OUT)/drawing.gif
	@echo "The digits: $(abspath $(OUT)/digits.png)"
	@echo "How they were drawn: $(abspath $(OUT)/drawing.gif)"

# Two processes for each core, so that both cores are busy while one waits for a child or a lock, and
# beside other programs; a process that is done takes tests of the others. More would take longer to
# start than they save.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(8, 2 * (os.cpu_count() or 1)))")
# Without bytecode every process of a test would compile the same modules again.
test: $(VENV)/installed
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(WORKERS) --dist worksteal

slow: $(VENV)/installed
	$(BIN)/pytest -m slow --timeout 1200

# The default suite in an environment of its own, where each dependency has its lowest version.
lowest: $(VENV)/installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)-lowest
	$(BIN)/uv pip install --python $(VENV)-lowest --resolution lowest-direct -e '.[dev,svhn,tensorboard]'
	PYTHONDONTWRITEBYTECODE= $(VENV)-lowest/bin/pytest -n $(WORKERS) --dist worksteal

# The wheel is built from the source distribution, so nothing else of the checkout gets into it.
dist: $(VENV)/installed
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python .ci/dist.py dist
	$(BIN)/twine check --strict dist/*

# The pages that are made from the hooks, the manifest and the schemas; a test compares them.
pages: $(VENV)/installed
	$(BIN)/python docs/make_hooks.py
	$(BIN)/python docs/make_models.py
	$(BIN)/python docs/make_configuration.py

# Every warning is an error; nothing but the packages is fetched.
docs: $(VENV)/documentation
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going docs build/docs
	@echo "The documentation: $(abspath build/docs/index.html)"

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=.:plugins $(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --min-severity low .github/workflows

types: $(VENV)/installed
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pictures of the gallery, each by the command that is given below it there, and the pictures of a step.
gallery: $(VENV)/installed
	$(BIN)/python docs/make_step.py
	$(BIN)/drawzoo reconstruct draw-mnist docs/gallery/paper.jpg docs/gallery/board.png 1 --out docs/gallery/reconstruct.png --gif docs/gallery/reconstruct.gif
	$(BIN)/drawzoo analyze steps draw-mnist 11 --out docs/gallery/steps.png
	$(BIN)/drawzoo analyze interpolate draw-mnist 1 2 --out docs/gallery/interpolate.png --gif docs/gallery/interpolate.gif
	$(BIN)/drawzoo analyze attention draw-mnist 0 1 2 --out docs/gallery/attention.png
	$(BIN)/drawzoo analyze kernels model1-mnist model2-mnist model3-mnist --out docs/gallery/kernels.png
	$(BIN)/drawzoo analyze parameters draw-t1-mnist draw-t2-mnist draw-t5-mnist draw-mnist --versus steps --out docs/gallery/parameters.png

# What the notebooks show, by running them.
notebooks: $(VENV)/installed
	$(BIN)/python notebooks/execute.py

clean:
	rm -rf $(VENV) $(VENV)-lowest $(OUT) build dist *.egg-info

# torch and torchvision in one go, so that pip takes a pair that fits.
$(VENV)/installed: pyproject.toml setup.py $(wildcard drawzoo/ops/csrc/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[dev]'
	@touch $@

$(VENV)/documentation: $(VENV)/installed
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -e '.[docs]'
	@touch $@
