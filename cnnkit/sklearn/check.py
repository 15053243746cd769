"""``python -m cnnkit.sklearn.check``: every check of scikit-learn's `check_estimator` on the
estimators, counted.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections import Counter

# before SciPy is imported: the checks of array_api_dispatch ask for it
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import sklearn
from sklearn.utils.estimator_checks import check_estimator

from cnnkit.sklearn import CNNClassifier, CNNRegressor

__all__ = ["main"]


def main() -> int:
    """Print the counts, and every check that did not pass with its reason; 1 if one failed."""
    failed = 0
    print(f"scikit-learn {sklearn.__version__}")
    for kind in (CNNClassifier, CNNRegressor):
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = check_estimator(kind(), on_skip=None, on_fail=None)
        counts = Counter(result["status"] for result in results)
        failed += counts["failed"]
        print(f"{kind.__name__}: {counts['passed']} passed, {counts['failed']} failed, "
              f"{counts['xfail']} expected failures, "
              f"{counts['skipped']} skipped ({time.perf_counter() - start:.0f} s)")
        for (status, name, reason), count in Counter((r["status"],
                                                      r["check_name"], str(r["exception"]).partition("\n")[0])
                                                     for r in results if r["status"] != "passed").items():
            print(f"  {status}{f' {count} x' if count > 1 else ''} {name}: {reason}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
