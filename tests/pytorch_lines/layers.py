"""Functions of layers by their names in ``torch`` itself, with their arguments by position."""

PREAMBLE = """
tensor = torch.tensor
signal = tensor([[[1., 2., 4., 8., 16., 32.]]])
image = tensor([[[[1., 2., 3., 4.], [5., 6., 7., 8.], [9., 10., 11., 12.], [13., 14., 15., 16.]]]])
row = tensor([[-1., 0.5, 3.]])
def of(*xs): return [[round(y, 3) + 0.0 for y in x.flatten().tolist()] for x in xs]
"""
LINES = {
    "of(torch.conv1d(signal, tensor([[[-1., 1.]]]), tensor([1.]), 2, 1, 1, 1))": [[2.0, 3.0, 9.0, -31.0]],
    "of(torch.conv2d(image, tensor([[[[0., 1.], [1., 0.]]]]), None, 2))": [[7.0, 11.0, 23.0, 27.0]],
    "torch.conv3d(image[None], torch.ones(2, 1, 1, 2, 2), None, 2, (0, 1, 0)).shape == (1, 2, 1, 3, 2)": True,
    "of(torch.conv_transpose1d(signal[..., :2], tensor([[[1., 10.]]]), None, 2, 0, 1))":
        [[1.0, 10.0, 2.0, 20.0, 0.0]],
    "torch.conv_transpose2d(image, torch.ones(1, 3, 2, 2), None, 2, 0, 1, 1).shape == (1, 3, 9, 9)": True,
    "of(torch.max_pool1d(signal, 3, 2, 1), torch.max_pool2d(image, 2, 1, 0, 3), "
    "torch.avg_pool1d(signal, 2, 2, 1, True, False), torch.adaptive_avg_pool1d(signal, 2))":
        [[2.0, 8.0, 32.0], [16.0], [1.0, 3.0, 12.0, 32.0], [2.333, 18.667]],
    "of(torch.layer_norm(row, (3,), tensor([1., 1., 2.]), None, 0.1), torch.group_norm(signal, 1), "
    "torch.rms_norm(row, (3,)))":
        [[-1.091, -0.198, 2.579], [-0.877, -0.785, -0.6, -0.231, 0.508, 1.986], [-0.541, 0.271, 1.623]],
    "of(torch.prelu(row, tensor([0.5])), torch.celu(row, 2.), torch.threshold(row, 0., 7.), "
    "torch.hardshrink(row, 0.6), torch.rrelu(row, 0.25, 0.25))":
        [[-0.5, 0.5, 3.0], [-0.787, 0.5, 3.0], [7.0, 0.5, 3.0], [-1.0, 0.0, 3.0], [-0.25, 0.5, 3.0]],
    "x = row.clone(); y = torch.relu_(x); y is x, of(x), of(torch.selu_(x))":
        [True, [[0.0, 0.5, 3.0]], [[0.0, 0.525, 3.152]]],
    "y = torch.pixel_unshuffle(image, 2); of(y[0, 1], torch.pixel_shuffle(y, 2)[0, 0, 0], "
    "torch.channel_shuffle(signal.reshape(1, 6, 1, 1), 2))":
        [[2.0, 4.0, 10.0, 12.0], [1.0, 2.0, 3.0, 4.0], [1.0, 8.0, 2.0, 16.0, 4.0, 32.0]],
    "of(torch.cosine_similarity(row, row * 2, 1), torch.pairwise_distance(row, row - 1, 1., 0.))":
        [[1.0], [3.0]],
    "torch._assert(True, 'fine')": None,
    "torch._assert(row.shape[0] == 2, 'two rows')": AssertionError,
    "torch.jit.is_scripting(), torch.jit.is_tracing()": [False, False],
}
DIFFERENT: dict = {}
