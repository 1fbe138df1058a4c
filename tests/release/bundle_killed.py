"""Exports or imports, and ends as by `kill -9` at the n-th change of a file: nothing of what would follow is done.

Arguments: `export` or `import`, the yard's folder, the bundle's folder, n.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bundle_help import Yard

from shipway.release import import_bundle, load_freight, open_bundle, write_folder

word, folder, bundle, number = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
done = 0


def fatal(real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*words: Any, **more: Any) -> Any:
        global done
        done += 1
        if done == number:
            os._exit(9)
        return real(*words, **more)

    return call


yard = Yard(folder, folder.parent / "keys")
store = yard.store
freight = load_freight(store, store.resolve("release/delay")) if word == "export" else None
opened = open_bundle(bundle) if word == "import" else None
for name in ("replace", "link", "unlink", "fsync"):
    setattr(os, name, fatal(getattr(os, name)))
if freight:
    write_folder(store, freight, bundle)
if opened:
    import_bundle(store, yard.keys, yard.actor, opened)
