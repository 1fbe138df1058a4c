"""Runs commands of the real DVC one after another in one process, since importing it takes most of a second.

In: folder, JSON list of argument lists. Out: a JSON list of [exit code, stdout and stderr].
"""

import contextlib
import io
import json
import logging
import os
import sys

from dvc.cli import main  # type: ignore[import-not-found]

os.chdir(sys.argv[1])
answers = []
for words in json.loads(sys.argv[2]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        handlers = [handler for handler in logging.getLogger("dvc").handlers if hasattr(handler, "stream")]
        code = main(words)
    answers.append([code, said.getvalue()])
sys.stdout.write("\n" + json.dumps(answers))
