"""What the registry asks the kernel table about its machinery: instruction set, threads, memory."""

from __future__ import annotations

from cnnkit_cpu import library, memory

__all__ = ["Runtime"]


class Runtime:
    """The `cnnkit.backends.Runtime` of the table ``cpu``."""

    def describe(self) -> str:
        """Instruction set, compiler and threads; and the best instruction set, where it was not built."""
        isa, compiler, threads = library.active.isa, library.active.cpu_compiler().decode(), library.threads
        missing = f"; {library.missing()}" if library.missing() else ""
        return f"{isa}, {compiler}, {threads} thread{'s' if threads > 1 else ''}{missing}"

    def get_num_threads(self) -> int:
        """How many threads a kernel uses at most."""
        return library.threads

    def set_num_threads(self, count: int) -> None:
        """Use so many from now on; each has memory of its own."""
        if count > library.MOST_THREADS:
            raise ValueError(f"set_num_threads needs at most {library.MOST_THREADS} threads; got {count}")
        library.threads = count

    def release_memory(self) -> None:
        """Give back the memory that is kept for results and scratch."""
        memory.pool.release()
