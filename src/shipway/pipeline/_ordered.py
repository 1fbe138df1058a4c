"""What comes before what, of names that need each other. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping


def order_names(before: Mapping[str, Iterable[str]], circle: Callable[[tuple[str, ...]], Exception]) -> list[str]:
    """Each name after those that it needs, otherwise in the order given. circle: what is raised for names in a circle.

    >>> order_names({"fit": ["clean"], "clean": [], "plot": ["fit"]}, lambda names: ValueError(names))
    ['clean', 'fit', 'plot']
    """
    done: dict[str, None] = {}
    for first in before:
        path = {first: iter(before[first])} if first not in done else {}  # no recursion: a line of names may be long
        while path:
            name = next(reversed(path))
            needed = next(path[name], None)
            if needed is None:
                done[name] = None
                del path[name]
            elif needed in path:
                names = tuple(path)
                raise circle(names[names.index(needed) :])
            elif needed not in done:
                path[needed] = iter(before[needed])
    return list(done)
