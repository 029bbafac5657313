import os

# TensorFlow's C++ start-up notes (which CPU instructions, no GPU found) would
# drown what our programs print. Setting the variable yourself brings them back.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
