"""Capturing: a step of fixed shapes is recorded once, and replayed with almost no Python.

`capture` makes a `Captured` of a step. A call of it goes one of two ways:

1. *Recording* (`recording`, `units`, `making`). The step runs as ever, under watched kernel tables, which
   note each call of a kernel, or of a backward, as a unit: the arrays that went in and came out, and the
   native calls that were made meanwhile. What a replay cannot repeat is named with its line, and the step is
   left alone: a value that is read, an array of unknown origin, a result that is kept somewhere.
2. *Replaying* (`plan`). Native calls one after the other are made by one call into the kernel table's own
   language; a unit that is more than native calls is called again in Python (a thunk). Until the end nothing
   of the program's state has changed; then gradients and counters are set, and parameters, buffers and the
   optimizer's state at once (`Plan.commit`). The optimizer's update is a unit too, where its kernel is one
   native call for each group (`updating`): its settings and the number of the step are looked at before each
   replay, and set in the call. Else the optimizer's own step is made at the end, as in any other program.
   Random keys are drawn anew from the same generator.

Which memory the native calls work in is decided by `compiling`, and by `preparing` which of them depend on
parameters alone, so that an inference makes them once (`NativeWatch`). Of many images an inference takes a
few at a time through neighbouring calls (`slicing`, `NativeSlices`). A plan is trusted after one call that
was made both ways with equal bits.

A kernel table takes part by ``KernelTable(..., native=...)``; `cnnkit.backends.native` is the protocol. For
a CUDA graph, `NativeCalls.noting` tells of launches, and `NativeCalls.build` captures a graph of them:

- `noting(notes)`: in this block, in this thread, call ``notes.allocated(array)`` for memory of results and
  scratch, ``notes.called(NativeCall(...))`` for each launch, and ``notes.unlike(reason)`` for whatever is not
  a launch. Launches are made as ever.
- `build(calls)`: the same launches, in order. Each pointer is ``bases[place.base] + place.offset``; bases may
  be others at every `Executable.run`: a graph is made for some bases, and updated or made anew for others.
- a table of addresses is an argument of the kind ``"reads"`` or ``"writes"``, with a place for each of them;
- `NativeUpdates`, if the table has it: what of an optimizer's settings stands in the call of its update.
- ``run(bases)`` returns 0; or more than 0 where a result that Python would have looked at
  (`NativeCall.result`) is another one, and then the step is run as ever.
"""

from cnnkit.capturing.captured import Captured, CaptureWarning, capture

__all__ = ["CaptureWarning", "Captured", "capture"]
