"""The comparison with torch is collected where torch is installed; `make evidence` installs it."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["test_torch.py"]
