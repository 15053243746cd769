"""Without scikit-learn the examples of `cnnkit.sklearn` are not collected; its tests say that they were skipped."""

import importlib.util
import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported: scikit-learn's array_api_dispatch asks for it
found = importlib.util.find_spec("sklearn")  # a folder of that name has no origin
collect_ignore = ["cnnkit/sklearn"] if found is None or found.origin is None else []
