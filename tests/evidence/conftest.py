"""What needs an extra is collected where the extra is installed; `make evidence` installs all of them."""

from importlib.util import find_spec

NEEDS = {"test_torch.py": "torch", "test_dask.py": "distributed"}
collect_ignore = [file for file, package in NEEDS.items() if not find_spec(package)]
