"""Ops that several kernels serve: the first that does not decline does, and the others are not asked."""

from cnnkit_cupy.kernels import first


def test_the_first_candidate_that_does_not_decline_serves_and_gets_every_argument():
    asked = []

    def candidate(name, result):
        def kernel(*arrays, **settings):
            asked.append((name, arrays, settings))
            return result
        return kernel

    kernel = first(candidate("special", NotImplemented), candidate("plain", "result"), candidate("never", "other"))
    assert kernel(1, None, needs=(True, False)) == "result"
    assert asked == [(name, (1, None), {"needs": (True, False)}) for name in ("special", "plain")]


def test_where_all_decline_the_kernel_declines():
    assert first(lambda x: NotImplemented)(0) is NotImplemented
    assert first()(0) is NotImplemented
