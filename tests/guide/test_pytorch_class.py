"""The guide's PyTorch listing: its class, its loader and a training step run with only the
imports changed.
"""

import os

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn, optim, train
from cnnkit.data import ArrayDataset, DataLoader, datasets, transforms

needs_mnist = pytest.mark.skipif(not os.environ.get("CNNKIT_DATA"),
                                 reason="MNIST: set CNNKIT_DATA to a folder that has it")


# The guide's class, character by character.
class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()  # noqa: UP008
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, stride=1, padding=1)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fc1 = nn.Linear(8 * 14 * 14, 10) # Assuming 28x28 input images

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = x.view(-1, 8 * 14 * 14) # Flatten
        x = self.fc1(x)
        return F.log_softmax(x, dim=1)


def digits_of_28():
    """Images of MNIST's size made from the digits that cnnkit ships."""
    small = datasets.digits()
    images = np.zeros((64, 28, 28), "float32")
    images[:, 2:26, 2:26] = np.kron(small.data[:64, 0], np.ones((3, 3)))
    return images[:, None], np.asarray(small.targets[:64])


def test_it_has_15770_parameters():
    assert cnnkit.summary(CNN(), (1, 28, 28)).parameters == 15770


def test_it_returns_log_probabilities_of_ten_classes():
    images, _ = digits_of_28()
    y = CNN()(cnnkit.tensor(images))
    assert y.shape == (64, 10)
    np.testing.assert_allclose(np.exp(y.numpy()).sum(1), 1, rtol=1e-5)


def test_a_training_step_with_its_criterion_and_optimizer_lowers_the_loss():
    images, labels = digits_of_28()
    cnn, criterion = CNN(), nn.CrossEntropyLoss()
    optimizer = optim.Adam(cnn.parameters(), lr=0.001)
    x, y = cnnkit.tensor(images), cnnkit.tensor(labels)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = criterion(cnn(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]


def test_ten_epochs_of_fit_learn_the_images():
    images, labels = digits_of_28()
    cnnkit.random.seed(0)
    cnn = CNN()
    history = train.fit(cnn, DataLoader(ArrayDataset(images, labels), batch_size=32), epochs=10, lr=0.01,
                        loss=F.cross_entropy, progress=False)
    assert len(history) == 10
    assert train.evaluate(cnn, (images, labels)).accuracy == 1


@needs_mnist
def test_its_dataset_has_data_and_targets():
    mnist = datasets.MNIST(root='./data', train=True, transform=transforms.ToTensor(), )
    assert mnist.data.shape == (60000, 28, 28)
    assert mnist.targets[:5].tolist() == [5, 0, 4, 1, 9]
    image, label = mnist[0]
    assert image.shape == (1, 28, 28)
    assert (image.min(), image.max(), label) == (0, 1, 5)


@needs_mnist
def test_its_loader_gives_batches_of_32_that_its_class_takes():
    mnist = datasets.MNIST(root='./data', train=True, transform=transforms.ToTensor(), )
    x, y = next(iter(DataLoader(mnist, batch_size=32)))
    assert x.shape == (32, 1, 28, 28)
    assert y.tolist() == mnist.targets[:32].tolist()
    assert CNN()(x).shape == (32, 10)
