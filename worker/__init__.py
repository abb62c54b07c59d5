"""A Camunda 8 job worker that sends and handles email."""

__version__ = "0.1.0"
