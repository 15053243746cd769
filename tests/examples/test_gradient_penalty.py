"""The script runs, a few steps; the norms in its penalty are those of the critic's gradient."""

import gradient_penalty as script
import numpy as np
import pytest

from cnnkit import nn, tensor


def test_it_prints_what_it_measured_and_draws_digits(tmp_path, capsys):
    script.main(["--steps", "2", "--out", str(tmp_path / "digits.npy")])
    title, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith("step  distance")
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert np.load(tmp_path / "digits.npy").shape == (64, 1, 8, 8)


def test_the_norm_of_a_linear_critics_gradient_is_that_of_its_weights():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.end = nn.Linear(64, 1)

        def forward(self, x):
            return self.end(x.flatten(1)).view(-1)

    critic = Linear()
    images = tensor(np.random.default_rng(0).random((3, 1, 8, 8), np.float32))
    norms = script.gradient_norms(critic, images, images * 0)
    weight = critic.end.weight.numpy()
    norm = np.sqrt((weight ** 2).sum())
    assert norms.tolist() == pytest.approx([norm] * 3, rel=1e-5)
    norms.sum().backward()  # the gradient of a norm: the weights' direction
    assert critic.end.weight.grad.numpy() == pytest.approx(3 * weight / norm, rel=1e-4)
