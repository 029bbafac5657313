import os

from data_pipelines.programs.interruption import die_while_importing

# TensorFlow's C++ start-up messages (CPU instructions, missing GPU) would bury the
# output of our programs. Set the variable yourself to see them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

die_while_importing(__name__)
