"""`evaluate` and `predict` leave the model as it was, and do not depend on the batch size."""

import numpy as np

from cnnkit import evaluation, models, nn
from cnnkit.data import datasets


def test_evaluate_restores_every_modules_mode_and_records_nothing():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
    model[1].eval()
    scores = evaluation.evaluate(model, datasets.digits(train=False))
    assert scores.loss > 0
    assert [m.training for m in model] == [True, False, True]
    assert evaluation.evaluate(model, datasets.digits(train=False)) == scores


def test_predictions_do_not_depend_on_the_batch_size():
    model = models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[16])
    x = np.random.default_rng(0).random((5, 1, 8, 8), np.float32)
    p = evaluation.predict_proba(model, x, batch_size=2).numpy()
    np.testing.assert_allclose(p, evaluation.predict_proba(model, x).numpy(), rtol=1e-5)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(evaluation.predict(model, x).numpy(), p.argmax(1))
