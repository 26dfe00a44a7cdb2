"""The default server: calls functions of PyTorch and NumPy by name.

`hello`, `hi` and `help` need nothing installed. `torch.nn.functional.conv2d a,b stride=2` calls a function that
`allow_list.py` allows, by its name in full; plain names such as `matmul a,b` and `conv_k3_s1_p0 a,b`, in any case,
stand for such calls.
"""

from __future__ import annotations

import re
import sys

from ..data.tensors import choose_framework
from ..data.tsr_header import BY_NAME
from ..errors import InputError, NotFoundError
from ..protocol.messages import EXIT, check_tag, names_in
from ..worker.context import find_call
from ..worker.server import TechRenaissanceServer
from .allow_list import NAMESPACES, check_parameters, full_names, resolve, spare_arguments
from .call_syntax import Name, parse_arguments, substitute
from .size_guard import SizeGuard, size_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..data.tensors import Framework

_GREETINGS = {"hello": "Hello", "hi": "Hi"}

# Plain name: its function in PyTorch and, where one does the same, in NumPy.
_PLAIN = {
    "abs": ("torch.abs", "numpy.abs"),
    "add": ("torch.add", "numpy.add"),
    "linear": ("torch.nn.functional.linear", ""),
    "matmul": ("torch.matmul", "numpy.matmul"),
    "mul": ("torch.mul", "numpy.multiply"),
    "negative": ("torch.negative", "numpy.negative"),
    "ones_like": ("torch.ones_like", "numpy.ones_like"),
    "reciprocal": ("torch.reciprocal", "numpy.reciprocal"),
    "relu": ("torch.relu", "numpy.maximum"),
    "round": ("torch.round", "numpy.round"),
    "sigmoid": ("torch.sigmoid", ""),
    "sign": ("torch.sign", "numpy.sign"),
    "sqrt": ("torch.sqrt", "numpy.sqrt"),
    "square": ("torch.square", "numpy.square"),
    "transpose": ("torch.transpose", "numpy.swapaxes"),
    "zeros_like": ("torch.zeros_like", "numpy.zeros_like"),
}
_is_convolution = re.compile(r"(t?)conv_k([0-9]{1,4})_s([0-9]{1,4})_p([0-9]{1,4})").fullmatch
# Functions that take their tensors as one sequence; `torch.cat a,b` means `torch.cat [a,b]`.
_TAKES_SEQUENCE = frozenset(
    {"cat", "column_stack", "concat", "concatenate", "dstack", "hstack", "multi_dot", "row_stack", "stack", "vstack"}
)


class DefaultServer(TechRenaissanceServer):
    """Serves `PythonSession("default")`."""

    commands = (
        "hello",
        "hi",
        "help",
        *_PLAIN,
        "conv_k<k>_s<s>_p<p>",
        "tconv_k<k>_s<s>_p<p>",
        *(f"{name}.*" for name in NAMESPACES),
    )

    def __init__(self, debug: bool = False, framework: Framework | None = None) -> None:
        super().__init__(debug, framework)
        self._guard = SizeGuard(size_limit())

    def main_logic(self, command: str, parameters: str) -> bool:
        """See the module. Plain names are the same in any case."""
        plain = command.lower()
        if "(" in command:
            raise NotFoundError(_no_call(command))
        if "." in command:
            args, kwargs = _arguments(parameters)
            self._respond(command, self._call(command, args, kwargs))
        elif plain in _PLAIN:
            self._respond(command, self._plain(plain, parameters))
        elif plain in _GREETINGS:
            self.write_response(command, _greet(_GREETINGS[plain], parameters))
        elif plain == "help":
            self.write_response(command, "commands: " + ", ".join(self.commands))
        elif _is_convolution(plain):
            self._respond(command, self._convolution(plain, parameters))
        else:
            # To look for names loads PyTorch, for which a host that ends its worker does not wait.
            close = full_names(command) if command.isidentifier() and command != EXIT else []
            if not close:
                return False
            raise NotFoundError(f"unknown command {command!r}: call it by its name in full, {' or '.join(close)}")
        return True

    def _call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The result of an allowed function; tensors among the arguments are still names."""
        namespace, function_name, function = resolve(name)
        framework = namespace.partition(".")[0]
        args = [substitute(value, lambda word: self._resolve_word(word, framework)) for value in args]
        kwargs = {
            key: _dtype(str(value.text if isinstance(value, Name) else value), framework)
            if key == "dtype" and isinstance(value, (Name, str))
            else substitute(value, lambda word: self._resolve_word(word, framework))
            for key, value in kwargs.items()
        }
        if function_name in _TAKES_SEQUENCE:
            args = _gather(args)
        check_parameters(name, function, args, kwargs)
        args, kwargs = spare_arguments(function_name, args, kwargs)
        return self._guard.call(framework, function_name, function, args, kwargs)

    def _resolve_word(self, word: Name, framework: str) -> Any:
        prefix, _, name = word.text.partition(".")
        if prefix in ("torch", "numpy") and name in BY_NAME:
            return _dtype(word.text, framework)
        call = find_call()
        if call is None:
            raise RuntimeError("there is no request")
        try:
            return call.load([check_tag(word.text)], framework)[0]
        except NotFoundError as error:
            raise NotFoundError(f'{error}; if {word.text} is text, put it in quotes: "{word.text}"') from None

    def _plain(self, command: str, parameters: str) -> Any:
        args, kwargs = _arguments(parameters)
        with_torch, with_numpy = _PLAIN[command]
        name = with_torch
        if choose_framework(self.framework) == "numpy":
            if not with_numpy:
                raise NotFoundError(
                    f"{command!r} needs PyTorch, which the worker's interpreter {sys.executable} does not have: "
                    f"install it with '{sys.executable} -m pip install torch'"
                )
            name = with_numpy
            if command == "relu":
                args = [*args, 0]
        if command == "transpose" and len(args) == 1 and not kwargs:
            args = [*args, 0, 1]  # as in the older bridge, also of more than two
        return self._call(name, args, kwargs)

    def _convolution(self, command: str, parameters: str) -> Any:
        match = _is_convolution(command)
        kernel, stride, padding = (int(number) for number in match.groups()[1:]) if match else (0, 0, 0)
        transposed = command.startswith("t")
        channels = "(C, O" if transposed else "(O, C"
        args, kwargs = _arguments(parameters)
        if len(args) not in (2, 3) or kwargs or not all(isinstance(value, Name) for value in args):
            raise InputError(
                f"{command}: expected the tags of an input (N, C, H, W), a weight {channels}, {kernel}, {kernel}) and, "
                f"if wanted, a bias (O), found {parameters!r:.200}"
            )
        choose_framework("torch")
        tensors = [self._resolve_word(value, "torch") for value in args]
        found = tuple(tensors[1].shape)
        if found[2:] != (kernel, kernel):
            raise InputError(f"{command}: expected a weight of shape {channels}, {kernel}, {kernel}), found {found}")
        function = "conv_transpose2d" if transposed else "conv2d"
        return self._call(f"torch.nn.functional.{function}", args, {"stride": stride, "padding": padding})

    def _respond(self, command: str, result: Any) -> None:
        """Sends tensors as such, numbers as scalars, and text, shapes and dtypes as text."""
        self._guard.after(result)
        if isinstance(result, (list, tuple)) and type(result).__name__ != "Size":
            for index, item in enumerate(_flatten(result)):
                if not _is_tensor(item):
                    raise InputError(
                        f"{command}: result {index} is of type {type(item).__name__}, which has no form as a tensor"
                    )
            self.send_tensors(*_flatten(result))
            self.write_response(command)
        elif _is_tensor(result):
            self.send_tensors(result)
            self.write_response(command)
        elif result is None:
            self.write_response(command)
        elif isinstance(result, str) or type(result).__name__ in ("Size", "dtype"):
            self.write_response(command, str(result))
        else:
            raise InputError(f"{command}: its result is of type {type(result).__name__}, which has no form as a tensor")


def _no_call(command: str) -> str:
    name = command.partition("(")[0]
    return (
        f"{command!r:.200} is no command: expected the name of a function, and its arguments behind a blank, as in "
        f"'{name:.100} a'; calculate names its tensors itself, a, b, c: calculate(\"{name:.100}\", x)"
    )


def _arguments(parameters: str) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments of a request: tensors that its caller has given names to are keywords."""
    args, kwargs = parse_arguments(parameters)
    call = find_call()
    if call is None or not call.request.names:
        return args, kwargs
    names = {tag: name for name, tag in names_in(call.request.names).items()}
    named = {}
    for value in args:
        if isinstance(value, Name) and value.text in names:
            name = names[value.text]
            if not name.isidentifier() or name.startswith("_") or name in kwargs:
                raise InputError(
                    f"a tensor named {name!r} cannot be a keyword argument of the called function: expected the name "
                    "of a parameter that has no value yet"
                )
            named[name] = value
    return [value for value in args if value not in named.values()], {**kwargs, **named}


def _greet(greeting: str, whom: str) -> str:
    if whom:
        return f"{greeting} {whom.title()}"
    return f"{greeting}, C++! This is Python {'.'.join(str(part) for part in sys.version_info[:3])}."


def _flatten(result: Any) -> list[Any]:
    items: list[Any] = []
    for item in result:
        items.extend(item if isinstance(item, (list, tuple)) else [item])
    return items


def _is_tensor(value: Any) -> bool:
    if isinstance(value, (bool, int, float, complex)):
        return True
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, torch.Tensor):
        return True
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def _gather(args: list[Any]) -> list[Any]:
    """Leading tensors as one list."""
    count = next((index for index, value in enumerate(args) if not hasattr(value, "shape")), len(args))
    return [args[:count], *args[count:]] if count else args


def _dtype(name: str, framework: str) -> Any:
    short = name.partition(".")[2] if name.startswith(("torch.", "numpy.")) else name
    if short not in BY_NAME:
        raise InputError(f"dtype {name!r:.100} is not known: expected one of {', '.join(BY_NAME)}")
    if framework == "torch":
        import torch

        return getattr(torch, short)
    import numpy

    try:
        return numpy.dtype(short)
    except TypeError:
        raise InputError(f"NumPy has no dtype {short}") from None
