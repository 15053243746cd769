"""Beside other backends a few run only the first cases of each op; ``--backend`` asks for all of them."""

from collections import Counter

# JAX compiles each op again for each shape (a second or two a case); `cnnkit check jax` runs all of them.
CASES_PER_OP = {"jax": 2}
# Fewer beside others, and all where --backend asks for them: the emulated device compiles its kernels at
# their first use, and arrays that cannot be written to are NumPy's, with NumPy's kernels.
CASES_BESIDE_OTHERS = {"emulator": 3, "numpy-readonly": 3}


def pytest_collection_modifyitems(config, items):
    limits = CASES_PER_OP | ({} if config.getoption("backend") else CASES_BESIDE_OTHERS)
    counts, kept, left_out = Counter(), [], []
    for item in items:
        if item.name.startswith("test_op["):
            case, backend = item.callspec.params["case"], item.callspec.params["backend_name"]
            counts[backend, case.kernel] += 1
            if counts[backend, case.kernel] > limits.get(backend, 10**6):
                left_out.append(item)
                continue
        kept.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
