"""MLflow's model folder: `python serving_mlflow.py MODEL.joblib FOLDER`, for requirements/bench-mlflow.lock."""

import sys

import joblib
import mlflow.sklearn
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types.schema import Schema, TensorSpec

model = joblib.load(sys.argv[1])
given = Schema([TensorSpec(np.dtype("float64"), (-1, model.n_features_in_))])
answered = Schema([TensorSpec(np.dtype("float64"), (-1, 2))])
signature = ModelSignature(inputs=given, outputs=answered)
mlflow.sklearn.save_model(
    model, sys.argv[2], signature=signature, serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba"
)
