"""Convolutional networks as scikit-learn estimators: `CNNClassifier`, `CNNRegressor`, and skorch's wrappers.

scikit-learn is optional: ``pip install 'cnnkit[sklearn]'``.
"""

try:
    from cnnkit.sklearn.classifier import CNNClassifier
    from cnnkit.sklearn.neural_net_classifier import NeuralNetClassifier
    from cnnkit.sklearn.neural_net_regressor import NeuralNetRegressor
    from cnnkit.sklearn.regressor import CNNRegressor
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("sklearn", "scipy"):
        raise
    raise ImportError("cnnkit.sklearn needs scikit-learn, which is not installed: "
                      "pip install 'cnnkit[sklearn]'") from error

__all__ = ["CNNClassifier", "CNNRegressor", "NeuralNetClassifier", "NeuralNetRegressor"]
