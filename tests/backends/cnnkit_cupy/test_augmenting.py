"""Augmentation of CuPy's arrays, on the batch's device and not the current one, with NumPy's draws."""

import numpy as np
import pytest

import cnnkit
from cnnkit.data import DataLoader, Subset, datasets, transforms

DIGITS = Subset(datasets.digits(), range(12))


@pytest.mark.parametrize("transform", [
    transforms.RandomHorizontalFlip(),
    transforms.RandomCrop(8, padding=2), transforms.RandomErasing(value=0.5),
    transforms.RandomRotation(20, "bilinear"),
    transforms.RandomResizedCrop(8), transforms.ColorJitter(0.3, 0.3),
    transforms.MixUp(num_classes=10), transforms.CutMix(num_classes=10)], ids=repr)
def test_a_batch_is_augmented_on_its_own_device(two_devices, transform):
    def batches(backend):
        augment = transforms.Compose([transforms.Normalize(0.1, 0.9), transform])
        return list(DataLoader(DIGITS, 4, shuffle=True, seed=3, backend=backend, augment=augment))

    for (x, y), (x_numpy, y_numpy) in zip(batches("cupy:1"), batches("numpy"), strict=True):
        assert (x.array.device.id, y.array.device.id) == (1, 1)
        np.testing.assert_allclose(x.numpy(), x_numpy.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(y.numpy(), y_numpy.numpy(), rtol=1e-6)
    assert cnnkit.backends.current().name == "numpy"
