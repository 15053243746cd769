"""Names of PyTorch's compilers in model files; see `cnnkit.jit`."""

import cnnkit as torch
from cnnkit import nn


class Overloaded(nn.Module):
    """Written as torchvision writes its DenseNet: signatures declared, and a way for the compiler."""

    sizes: torch.jit.Final[int] = 2

    @torch.jit._overload_method
    def forward(self, x: list[torch.Tensor]) -> torch.Tensor:
        pass

    @torch.jit._overload_method
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: F811
        pass

    def forward(self, x):  # noqa: F811
        if torch.jit.is_scripting() or torch.jit.is_tracing():
            return None
        return torch.cat(x, 0) if isinstance(x, list) else x


def test_the_last_of_the_overloads_runs_and_nothing_is_compiled():
    model = torch.jit.script(Overloaded())
    x = torch.ones(1)
    assert model(x) is x
    assert model([x, x]).tolist() == [1, 1]


@torch.jit.script_if_tracing
def doubled(x):
    return 2 * x


def test_functions_stay_functions():
    assert doubled(3) == 6
