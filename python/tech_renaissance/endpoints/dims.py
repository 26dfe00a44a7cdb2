"""Shapes with symbols, such as "b 3 h w", spelled as jaxtyping does (https://docs.kidger.site/jaxtyping/api/array/)."""

from __future__ import annotations

from ..errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Sizes = dict[str, "tuple[int | tuple[int, ...], str]"]  # of each symbol, and what it is known from

_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}


class Dims:
    """What a shape has to be.

    Words with blanks between: a number; a name, which is the same size wherever it stands within a call; `_`, or a name
    that begins with it, for any size; `...` for any number of dims, `*name` for any number that are the same
    wherever it stands; `#name` for that size or 1; `name+1`, `name-1`, `2*name` for what follows from a size that is
    known from elsewhere.

    Args:
        text: these words.

    Raises:
        InputError: one of them is none of these.
    """

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        words = self.text.split()
        several = [place for place, word in enumerate(words) if word == "..." or word.startswith("*")]
        if len(several) > 1:
            raise InputError(f'"{text}" has {len(several)} words for any number of dims: expected one at most')
        self._several = words[several[0]] if several else ""
        self._before = several[0] if several else len(words)
        self._words = [self._read(word, text) for word in words if word != self._several]
        names = [name for kind, name, _ in self._words if kind == "name"]
        self._simple = names if len(names) == len(words) else None
        if self._several not in ("", "...") and not self._several[1:].isidentifier():
            raise _malformed(self._several, text)

    @staticmethod
    def _read(word: str, text: str) -> tuple[str, str, int]:
        """What it is: "size", "name", "any", "broad" or an operation; the name; the number."""
        if word.isascii() and word.isdigit():
            return "size", "", int(word)
        if word.isidentifier():
            return ("any", "", 0) if word.startswith("_") else ("name", word, 0)
        if word.startswith("#") and word[1:].isidentifier():
            return "broad", word[1:], 0
        for operation in _OPERATIONS:
            left, found, right = word.partition(operation)
            if found and operation == "*" and left.isdigit():
                left, right = right, left
            if found and left.isidentifier() and right.isascii() and right.isdigit():
                return operation, left, int(right)
        raise _malformed(word, text)

    def first(self) -> str:
        """The name of the first dim; "" where that is not just a name."""
        named = self._words and self._words[0][0] == "name" and (self._before > 0 or not self._several)
        return self._words[0][1] if named else ""

    def names(self) -> dict[int, str]:
        """Of each dim that is just a name, that, by its place; none where there may be any number of dims."""
        if self._several:
            return {}
        return {place: name for place, (kind, name, _) in enumerate(self._words) if kind == "name"}

    def followed(self) -> set[str]:
        """Names that other dims follow from, as `n` in "2*n"."""
        return {name for kind, name, _ in self._words if kind not in ("size", "any", "name")}

    def mismatch(self, shape: Sequence[int], sizes: Sizes, owner: str) -> str:
        """Why a shape is not as it has to be, "" when it is.

        Args:
            shape: of a tensor.
            sizes: what is known of symbols; those of this shape that are new are added.
            owner: what the tensor is called.
        """
        if self._simple is not None and len(self._simple) == len(shape):  # as most are, in half the time
            for name, size in zip(self._simple, shape):
                known = sizes.get(name)
                if known is None:
                    sizes[name] = (size, owner)
                elif known[0] != size:
                    break
            else:
                return ""
        words, extra = self._words, len(shape) - len(self._words)
        if extra < 0 or (extra and not self._several):
            least = "at least " if self._several else ""
            return f'shape {tuple(shape)}: expected {least}{len(words)} dims, "{self.text}"'
        place = 0
        for index, (kind, name, number) in enumerate(words):
            if index == self._before:
                place += extra
            size = shape[place]
            if kind == "name":
                known = sizes.get(name)
                if known is None:
                    sizes[name] = (size, owner)
                elif known[0] != size:
                    return self._differs(shape, place, name, known)
            elif kind == "size":
                if size != number:
                    return f'shape {tuple(shape)}: expected "{self.text}", which has {number} at dim {place}'
            elif kind != "any":
                reason = self._derived(shape, place, (kind, name, number), sizes)
                if reason:
                    return reason
            place += 1
        if len(self._several) > 1 and self._several != "...":
            return self._same_dims(tuple(shape[self._before : self._before + extra]), shape, sizes, owner)
        return ""

    def _derived(self, shape: Sequence[int], place: int, word: tuple[str, str, int], sizes: Sizes) -> str:
        kind, name, number = word
        size, known = shape[place], sizes.get(name)
        if kind == "broad":
            return "" if size == 1 or known is None or known[0] == size else self._differs(shape, place, name, known)
        if known is None or not isinstance(known[0], int):
            return ""
        expected = _OPERATIONS[kind](known[0], number)
        if size == expected:
            return ""
        sign = f"{number}*{name}" if kind == "*" else f"{name}{kind}{number}"
        return (
            f'shape {tuple(shape)}: expected "{self.text}", which has {sign} = {expected} at dim {place}, as '
            f"{known[1]} has {name} = {known[0]}"
        )

    def _same_dims(self, found: tuple[int, ...], shape: Sequence[int], sizes: Sizes, owner: str) -> str:
        known = sizes.setdefault(self._several, (found, owner))
        if known[0] == found:
            return ""
        seen = f"{known[1]} has {known[0]} for {self._several}, not {found}"
        return f'shape {tuple(shape)}: expected "{self.text}", and {seen}'

    def _differs(self, shape: Sequence[int], place: int, name: str, known: tuple[object, str]) -> str:
        return (
            f'shape {tuple(shape)}, {shape[place]} at dim {place}: expected "{self.text}", and {known[1]} has '
            f"{name} = {known[0]}"
        )


def _malformed(word: str, text: str) -> InputError:
    return InputError(
        f'"{word}" in the dims "{text}" is none: expected a number, a name, _, ..., *name, #name, name+1, name-1 or '
        "2*name"
    )
