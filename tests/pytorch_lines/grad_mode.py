"""no_grad, enable_grad, set_grad_enabled and inference_mode, as blocks and as decorators."""

PREAMBLE = """
import asyncio, threading
no_grad, enable_grad, on = torch.no_grad, torch.enable_grad, torch.is_grad_enabled

def twice():
    yield on()
    yield on()

def echo():
    seen = []
    try:
        while True:
            seen.append((on(), (yield on())))
    except KeyError:
        yield ("thrown", on(), seen)
    finally:
        closed.append(on())

closed = []
"""
LINES = {
    "with no_grad(): r = on()\n(r, on())": [False, True],
    "with no_grad():\n  with enable_grad(): r = on()\n(r, on())": [True, True],
    "with no_grad():\n  with enable_grad(): pass\n  r = on()\nr": False,
    "no_grad()(on)(), on()": [False, True], "no_grad(on)(), on()": [False, True],
    "@no_grad\ndef f(x, *, y): return on(), x, y\nf(1, y=2)": [False, 1, 2],
    "@no_grad()\ndef f(): 'text'\n(f.__name__, f.__doc__)": ["f", "text"],
    "enable_grad(on)(), no_grad(enable_grad(on))(), enable_grad(no_grad(on))()": [True, True, False],
    "list(no_grad()(twice)())": [False, False], "list(no_grad(twice)())": [False, False],
    "with no_grad(): r = list(enable_grad()(twice)())\nr": [True, True],
    "g = no_grad()(twice)(); [next(g), on(), next(g), on()]": [False, True, False, True],
    "g = enable_grad()(twice)()\nwith no_grad(): r = [next(g), on()]\nr + [next(g), on()]":
        [True, False, True, True],
    "g = twice()\nwith no_grad(): r = next(g)\n(r, next(g))": [False, True],
    "g = no_grad()(echo)(); [next(g), g.send(1), g.send(2), on()]": [False, False, False, True],
    "g = no_grad()(echo)(); next(g); g.send(5); g.throw(KeyError('k'))": ["thrown", False, [[False, 5]]],
    "g = no_grad()(echo)(); next(g); g.close(); (closed, on())": [[False], True],
    "g = no_grad()(twice)(); next(g); g.throw(KeyError('k'))": KeyError,
    "def f():\n  yield 1\n  return 7\ndef g(): return (yield from no_grad()(f)())\nit = g(); next(it)\n"
    "try: next(it)\nexcept StopIteration as end: r = end.value\nr": 7,
    "@no_grad()\ndef f():\n  yield on()\n  raise ValueError\nlist(f())": ValueError,
    "@no_grad()\ndef f():\n  yield on()\n  raise ValueError\ntry: list(f())\nexcept ValueError: r = on()\nr":
        True,
    "class A:\n  @no_grad()\n  def f(self): return on()\n  @no_grad()\n  def g(self): yield on()\n(A().f(), "
    "list(A().g()))": [False, [False]],
    "try:\n  with no_grad(): raise ValueError\nexcept ValueError: r = on()\nr": True,
    "r = []\nwith no_grad():\n  w = threading.Thread(target=lambda: r.append(on())); w.start(); w.join()\nr":
        [True],
    "r = []\nw = threading.Thread(target=no_grad()(lambda: r.append(on()))); w.start(); w.join()\n(r, on())":
        [[False], True],
    "with torch.set_grad_enabled(False): r = on()\n(r, on())": [False, True],
    "torch.set_grad_enabled(False); r = on(); torch.set_grad_enabled(True); (r, on())": [False, True],
    "f = torch.set_grad_enabled(False)(on); (on(), f(), on())": [True, False, True],
    "torch.set_grad_enabled('no')": TypeError, "with torch.set_grad_enabled(mode=False): r = on()\nr": False,
    "with torch.inference_mode(): r = on()\n(r, on())": [False, True],
    "with torch.inference_mode(False): r = on()\nr": True,
    "torch.inference_mode()(on)(), torch.inference_mode(on)()": [False, False],
    "list(torch.inference_mode()(twice)())": [False, False],
    "x = torch.tensor([1.], requires_grad=True)\nwith no_grad(): y = x * 2\n(y.requires_grad, y.is_leaf)":
        [False, True],
    "with no_grad(): x = torch.tensor([1.], requires_grad=True)\nx.requires_grad": True,
    "x = torch.tensor([1.], requires_grad=True)\nwith no_grad(): x += 1\nx": [2.0],
}
ON_NUMPY_ONLY: set = set()
# line -> what cnnkit gives, what PyTorch gives
DIFFERENT = {
    # PyTorch runs the body of a coroutine with the mode of whoever awaits it
    "async def f(): return on()\nasyncio.run(no_grad()(f)())": (False, True),
    "async def f():\n  yield on()\nno_grad()(f).__name__": (TypeError, "f"),
    "no_grad()(int)('7')": (RuntimeError, 7), "c = no_grad()\nwith c:\n  with c: pass\non()": (True, False),
}
