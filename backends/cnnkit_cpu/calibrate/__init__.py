"""Measure the constants of `cnnkit_cpu.choice` on the machine at hand: ``python -m cnnkit_cpu.calibrate``.

It prints what is measured beside what is shipped, and changes nothing. The shipped values were measured on a
Xeon with AVX-512 and two threads, by hand before this command was written; AVX2 and other processors use them
too. A constant that is a fifth off changes few choices, and those between algorithms that take about the same
time.

How it measures: `rounds` times everything in interleaved rounds and throws away those in which something else
took the processor; `workloads` are the calls that are timed; `constants` makes the constants of their
medians.
"""
