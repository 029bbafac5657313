import os

from bert_tf.models.serialization import register_with_keras
from data_pipelines.programs.interruption import die_while_importing

# TensorFlow's C++ start-up notes (which CPU instructions, no GPU found) would
# drown what our programs print. Setting the variable yourself brings them back.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

die_while_importing(__name__)
# Lets `keras.saving.load_model` find the classes of this package.
register_with_keras()
