"""As much of NumPy as a worker needs that moves bytes; it is imported in no time, which thousands of starts need."""

import ctypes

uint8 = "uint8"


class generic:  # noqa: N801 - NumPy's name
    """No scalars here."""


class ma:  # noqa: N801 - NumPy's name
    """Nor masks."""

    class MaskedArray:
        """Nor masks."""


class dtype:  # noqa: N801 - NumPy's name
    """Bytes alone."""

    byteorder = "|"
    char = "V"

    def __init__(self, name):
        self.name = name

    def newbyteorder(self, order):
        return self


class _Flags:
    c_contiguous = True


class ndarray:  # noqa: N801 - NumPy's name
    """Bytes of some memory, which it keeps alive."""

    dtype = dtype("uint8")
    flags = _Flags

    def __init__(self, memory, shape):
        self._memory = memory
        self.shape = shape

    @property
    def size(self):
        return len(self._memory)

    @property
    def __array_interface__(self):
        if self._memory.readonly:
            return {"data": (0, True)}
        return {"data": (ctypes.addressof(ctypes.c_char.from_buffer(self._memory)), False)}

    def reshape(self, *shape):
        return ndarray(self._memory, shape[0] if isinstance(shape[0], tuple) else (self.size,))

    def view(self, kind):
        return self._memory

    def __len__(self):
        return self.size


def frombuffer(memory, kind, count=-1, offset=0):
    view = memoryview(memory).cast("B")
    return ndarray(view[offset : offset + count] if count >= 0 else view[offset:], (len(view) - offset,))


def empty(shape, kind):
    return ndarray(memoryview(bytearray(0)), shape)


def asarray(array):
    return array
