from __future__ import annotations

import subprocess
import sys

import pytest

from shipway.kernel.lazy import put_off

# in a process of its own, where the modules of Python that this one has imported are not there yet
BEGIN = "import sys; from shipway.kernel.lazy import put_off; put_off('inspect', 'copy', 'ipaddress', 'colorsys'); "


def _says(words: str) -> str:
    done = subprocess.run([sys.executable, "-c", BEGIN + words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_module_that_was_put_off_is_imported_when_something_of_it_is_used() -> None:
    said = _says(
        "import dataclasses, pathlib, inspect, copy\n"
        "@dataclasses.dataclass\n"
        "class A:\n"
        "    'With words.'\n"
        "    x: int = 1\n"
        "print('dis' in sys.modules, type(inspect).__name__)\n"
        "print(inspect.signature(A), 'dis' in sys.modules, type(inspect).__name__)\n"
        "spec = inspect.__spec__\n"
        "print(inspect is sys.modules['inspect'], inspect.__name__, spec.name, inspect.__file__ == spec.origin)\n"
        "from colorsys import rgb_to_hls\n"
        "print(copy.copy(A(3)), inspect.isclass(copy.Error), rgb_to_hls(0, 0, 0), hasattr(copy, 'nothing'))"
    )
    assert said.splitlines() == [
        "False _PutOff",
        "(x: int = 1) -> None True module",
        "True inspect inspect True",
        "A(x=3) True (0.0, 0.0, 0.0) False",
    ]


def test_threads_that_ask_at_once_see_the_whole_module() -> None:
    said = _says(
        "import inspect\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "sys.setswitchinterval(1e-6)\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    print(set(pool.map(lambda n: inspect.stack.__name__ + inspect.walktree.__name__, range(64))))"
    )
    assert said == "{'stackwalktree'}"


def test_a_module_that_is_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    import inspect

    put_off("inspect")
    assert sys.modules["inspect"] is inspect
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    put_off("colorsys")
    import colorsys

    assert colorsys.ONE_THIRD == 1 / 3
