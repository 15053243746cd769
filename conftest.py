"""Without scikit-learn the examples of `cnnkit.sklearn` are not collected; its tests say that they
were skipped.
"""

import importlib.util
import os

# before SciPy is imported: scikit-learn's array_api_dispatch asks for it
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# the folder of tests of that name has none
scikit_learn = getattr(importlib.util.find_spec("sklearn"), "origin", None)
collect_ignore = ["cnnkit/sklearn"] if scikit_learn is None else []
