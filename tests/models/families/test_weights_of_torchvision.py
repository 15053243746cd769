"""torchvision's files of weights load as they are, and its names of ImageNet's classes are ours."""

import numpy as np
import pytest

import cnnkit
from cnnkit import models
from cnnkit.models import weights


def test_the_names_of_classes_are_torchvisions(torchvision):
    assert list(weights.get("squeezenet1_1").classes) == torchvision.models._meta._IMAGENET_CATEGORIES


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["squeezenet1_1", pytest.param("resnet18", marks=pytest.mark.heavy)])
def test_a_file_of_torchvisions_gives_its_scores(torchvision, tmp_path, name, zipped):
    torch = pytest.importorskip("torch")
    theirs = vars(torchvision.models)[name](weights=None).eval()
    path = tmp_path / "net.pth"
    torch.save(theirs.state_dict(), path, _use_new_zipfile_serialization=zipped)
    ours = models.get(name)(weights=path).eval()
    x = np.random.default_rng(0).random((2, 3, 64, 64), np.float32)
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(cnnkit.tensor(x)).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
