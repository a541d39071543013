"""How the library's exceptions are reported, and the exception for what the library cannot do."""

import re

from kafka import errors


class Unsupported(Exception):
    """The library (not the broker) cannot do what was asked; the message says why."""


def describe_error(e):
    """The `error` object of the driver protocol: the library's own name, Kafka's code where it knows one, and its text."""
    return {
        "name": type(e).__name__,
        "code": getattr(e, "errno", None) if isinstance(e, errors.BrokerResponseError) else None,
        "message": str(e),
        "retriable": getattr(e, "retriable", None),
    }


def raise_for_text(text):
    """Some admin calls return an error as the text of its exception; raises that exception again. None and 'OK' are no error."""
    if text in (None, "OK"):
        return
    name = re.search(r"[A-Za-z]+(?=Error|$|:)\w*", text)
    error_class = getattr(errors, name.group(0), errors.KafkaError) if name else errors.KafkaError
    message = re.sub(r"^(\[Error \d+\] )?%s(: )?" % error_class.__name__, "", text)
    raise error_class(message) if message else error_class()


def raise_for_code(code):
    """Raises the library's exception for a Kafka error code other than 0."""
    if code:
        raise errors.for_code(code)()
