"""The same by Evidently, in its environment: `monitoring_evidently.py REFERENCE CURRENT` prints seconds and values."""

import json
import sys
import time
import warnings

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

warnings.filterwarnings("ignore")
reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
began = time.process_time()
said = json.loads(Report([DataDriftPreset()]).run(current, reference).json())
seconds = time.process_time() - began
values = {one["config"]["column"]: one["value"] for one in said["metrics"] if "column" in one["config"]}
print(json.dumps({"seconds": seconds, "values": values}))
