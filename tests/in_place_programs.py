"""Random programs of views, changes in place, reads and backward passes, as lines for PyTorch and cnnkit."""

from __future__ import annotations

import random

import numpy as np

SHAPES = ((4,), (2, 3), (3, 2, 2), (2, 2))
UNARY_IN_PLACE = ("exp_", "tanh_", "sigmoid_", "relu_", "neg_", "sqrt_", "zero_")
UNARY = ("exp", "tanh", "sigmoid", "relu", "sqrt", "abs")


def program(seed: int) -> list[str]:
    """Statements on Tensors a, b, ..., which begin with three leaves."""
    return _Writer(random.Random(seed)).lines


class _Writer:
    """Writes one program; it knows each Tensor's shape, so that most of its lines make sense."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.lines: list[str] = []
        shape = rng.choice(SHAPES)
        for name in ("a", "b", "c"):
            self.shapes[name] = rng.choice((shape, shape, rng.choice(SHAPES)))
            grad = rng.random() < 0.5
            self.lines.append(f"{name} = leaf({self.shapes[name]}, {rng.randrange(1000)}, {grad})")
        for _ in range(rng.randrange(3, 9)):
            getattr(self, rng.choice(("view", "view", "change", "change", "change", "operation", "operation",
                                      "item", "without", "forget", "detached")))()
        if rng.random() < 0.2:
            self.lines.append(f"total({self.loss()}).backward()")
            self.change()
        self.lines.append(f"total({self.loss()}).backward()")

    def loss(self) -> str:
        names = sorted(self.shapes)
        return ", ".join(self.rng.sample(names, min(len(names), self.rng.randrange(1, 4))))

    def new(self, expression: str, shape: tuple[int, ...]) -> str:
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        self.shapes[name] = shape
        return name

    def any(self) -> str:
        names = sorted(self.shapes)
        return self.rng.choice(names + names[3:] * 2)  # rather what was made than the leaves

    def view(self) -> None:
        expression, shape = self.a_view(self.any())
        self.new(expression, shape)

    def a_view(self, name: str) -> tuple[str, tuple[int, ...]]:
        shape, rng = self.shapes[name], self.rng
        zeros = np.empty(shape)
        options = [f"{name}.reshape(-1)", f"{name}[None]", f"{name}.detach()", f"{name}.unsqueeze(-1)"]
        if shape:
            order = ", ".join(map(str, rng.sample(range(len(shape)), len(shape))))
            options += [f"{name}[{rng.randrange(shape[0]) if shape[0] else 0}]", f"{name}[1:]",
                        f"{name}[::2]", f"{name}[..., :1]", f"{name}.permute({order})"]
        if len(shape) > 1:
            options += [f"{name}.transpose(0, 1)", f"{name}.flatten()", f"{name}[:, 0]"]
        if rng.random() < 0.1:
            options += [f"{name}[None].expand(2, {', '.join(map(str, shape)) or '1'})"] if shape else []
        expression = rng.choice(options)
        return expression, eval(expression, {name: _Shape(zeros)}).shape

    def change(self) -> None:
        name, rng = self.any(), self.rng
        shape = self.shapes[name]
        kind = rng.randrange(6)
        if kind == 0:
            self.lines.append(f"{name}.{rng.choice(UNARY_IN_PLACE)}()")
        elif kind == 1:
            method = rng.choice(("add_", "mul_", "sub_", "div_"))
            self.lines.append(f"{name}.{method}({rng.choice((2, 0.5, 3))})")
        elif kind == 2:
            other = self.fitting(shape)
            self.lines.append(f"{name} {rng.choice('+-*/')}= {other}")
        elif kind == 3:
            self.lines.append(f"{name}.{rng.choice(('copy_', 'add_', 'mul_'))}({self.fitting(shape)})")
        elif kind == 4:
            self.lines.append(f"{name}.fill_({rng.choice((1, 2.5))})")
        else:
            self.item()

    def fitting(self, shape: tuple[int, ...]) -> str:
        """An operand that broadcasts to a shape."""
        options = []
        for name, other in self.shapes.items():
            try:
                if np.broadcast_shapes(shape, other) == shape:
                    options.append(name)
            except ValueError:
                continue
        return self.rng.choice([*options, "1.5"])

    def item(self) -> None:
        name, rng = self.any(), self.rng
        shape = self.shapes[name]
        if not shape or not shape[0]:
            return
        index = rng.choice(("0", "-1", "1:", "::2", "...", "[0, -1]", "None",
                            f"mask({shape}, {rng.randrange(99)})", "..., 0"))
        try:
            region = eval(f"x[{index}]", {"mask": mask, "x": np.empty(shape)}).shape
        except IndexError:
            return
        value = "7.0" if rng.random() < 0.4 else self.fitting(region)
        operator = rng.choice(("=", "=", "+=", "*="))
        self.lines.append(f"{name}[{index}] {operator} {value}")

    def without(self) -> None:
        """Something under no_grad(): a change, or a view and its change."""
        before, rng = len(self.lines), self.rng
        if rng.random() < 0.7:
            getattr(self, rng.choice(("change", "item")))()
        else:
            expression, shape = self.a_view(self.any())
            name = self.new(expression, shape)
            del self.shapes[name]
            self.lines += [f"{name}.add_({self.fitting(shape)})", f"del {name}"]
        inside = len(self.lines) - rng.randrange(2) * 2
        for i in range(before, max(inside, before + 1)):
            self.lines[i:i + 1] = [f"with no_grad(): {line}" for line in self.lines[i:i + 1]]

    def operation(self) -> None:
        name, rng = self.any(), self.rng
        if rng.random() < 0.4:
            self.new(f"{rng.choice(UNARY)}({name})", self.shapes[name])
        else:
            self.new(f"{name} {rng.choice('+-*/')} {self.fitting(self.shapes[name])}", self.shapes[name])

    def forget(self) -> None:
        """Nobody holds a Tensor any more, though its views may live."""
        names = sorted(self.shapes)[3:]
        if names:
            name = self.rng.choice(names)
            del self.shapes[name]
            self.lines.append(f"del {name}")

    def detached(self) -> None:
        name = self.any()
        self.new(f"{name}.{self.rng.choice(('detach()', 'data', 'clone()'))}", self.shapes[name])


class _Shape:
    """Follows the shapes of views."""

    def __init__(self, array: np.ndarray):
        self.array = array
        self.shape = array.shape

    def reshape(self, n: int) -> _Shape: return _Shape(self.array.reshape(n))
    def __getitem__(self, index: object) -> _Shape: return _Shape(np.asarray(self.array[index]))
    def detach(self) -> _Shape: return self
    def unsqueeze(self, axis: int) -> _Shape: return _Shape(self.array[..., None])
    def permute(self, *axes: int) -> _Shape: return _Shape(self.array.transpose(axes))
    def transpose(self, i: int, j: int) -> _Shape: return _Shape(self.array.swapaxes(i, j))
    def flatten(self) -> _Shape: return _Shape(self.array.reshape(-1))
    def expand(self, *shape: int) -> _Shape: return _Shape(np.broadcast_to(self.array, shape))


def mask(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape) < 0.5


def values(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


class Outcome:
    """What a program does in one library: the values after each line, the gradients, or its error."""

    def __init__(self, lines: list[str], library: str):
        self.names: dict = {}
        self.error, self.line = "", ""
        if library == "torch":
            import torch as t
            from torch.nn import functional
        else:
            import cnnkit as t
            from cnnkit import functional
        self.names.update(
            leaf=lambda shape, seed, grad: t.tensor(values(shape, seed), requires_grad=grad),
            mask=lambda shape, seed: t.tensor(mask(shape, seed)), no_grad=t.no_grad)
        self.kind = t.Tensor
        self.names.update(exp=t.exp, sqrt=t.sqrt, abs=t.abs, relu=functional.relu, tanh=functional.tanh,
                          sigmoid=functional.sigmoid)
        self.names["total"] = lambda *tensors: sum(((n + 1) * x * x).sum() for n, x in enumerate(tensors))
        for line in lines:
            try:
                exec(line, self.names)
            except (RuntimeError, ValueError, TypeError, IndexError) as error:
                self.error, self.line = f"{type(error).__name__}: {error}", line
                return

    def results(self) -> dict[str, np.ndarray | None]:
        found = {}
        for name, x in self.names.items():
            if isinstance(x, self.kind):
                found[name] = x.detach().numpy()
                if x.requires_grad and x.is_leaf:
                    found[f"{name}.grad"] = None if x.grad is None else x.grad.numpy()
        return found


def difference(seed: int) -> str:
    """What is not the same in PyTorch and cnnkit; empty where all is."""
    lines = program(seed)
    ours, theirs = (Outcome(lines, library) for library in ("cnnkit", "torch"))
    if "a second time" in ours.error or (ours.error and ours.line == theirs.line):
        return ""  # PyTorch goes again through what saves nothing, and an error comes after some gradients
    if bool(ours.error) != bool(theirs.error) or ours.line != theirs.line:
        return "\n".join([f"cnnkit: {ours.line or 'done'} {ours.error}",
                          f"torch: {theirs.line or 'done'} {theirs.error}", *lines])
    a, b = ours.results(), theirs.results()
    for name, expected in b.items():
        got = a.get(name)
        if (expected is None) != (got is None) or (
                expected is not None and (got.shape != expected.shape
                                          or not np.allclose(got, expected, equal_nan=True))):
            return f"{name}: {got} and {expected} (torch)\n" + "\n".join(lines)
    return ""
