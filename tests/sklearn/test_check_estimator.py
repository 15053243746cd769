"""Every check of scikit-learn's `check_estimator`, one test each, with no expected failure."""

import pytest

checks = pytest.importorskip("sklearn.utils.estimator_checks",
                             reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from cnnkit.sklearn import CNNClassifier, CNNRegressor  # noqa: E402


def named(value):
    """What a test is called by: an estimator's class, or a check with its arguments."""
    if not hasattr(value, "func"):
        return type(value).__name__
    return ",".join([value.func.__name__, *(f"{name}={v}" for name, v in value.keywords.items())])


# A list, and not parametrize_with_checks, whose generator pytest 9 warns of.
@pytest.mark.parametrize(("estimator", "check"), [
    pair for kind in (CNNClassifier, CNNRegressor) for pair in checks.estimator_checks_generator(kind())],
                         ids=named)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", [CNNClassifier(), CNNRegressor()])
def test_no_tag_spares_a_check(estimator):
    tags = estimator.__sklearn_tags__()
    assert not any((tags.no_validation, tags.non_deterministic, tags._skip_test))
    assert tags.requires_fit
    assert tags.target_tags.required
    assert tags.input_tags.two_d_array
    assert tags.array_api_support
    assert not any((tags.input_tags.allow_nan, tags.input_tags.positive_only, tags.input_tags.pairwise))
    for own in (tags.classifier_tags, tags.regressor_tags):
        assert own is None or not own.poor_score
