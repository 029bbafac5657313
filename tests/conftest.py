"""One CPU as two devices, for the tests of several replicas."""

import tensorflow as tf


def pytest_configure() -> None:
    # Possible only before TensorFlow has run anything.
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
