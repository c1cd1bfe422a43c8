"""The device that is a simulator: values on one side, time and energy on the other."""
