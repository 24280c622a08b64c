"""An alert as the subject and body of an SNS message, in the format its topic wants. Pure.

text: for people, then the alert as JSON. cloudwatch-alarm: what PagerDuty's and Opsgenie's CloudWatch integrations
read. chat: a custom notification of Amazon Q Developer in chat applications, which drops anything else.
"""

from watcher.aws.formats.record import alert_json
from watcher.aws.formats.region_names import REGION_NAMES
from watcher.aws.formats.rendering import (
    MESSAGE_LIMIT,
    SUBJECT_LIMIT,
    Format,
    Message,
    attribute_bytes,
    render,
    subject_line,
)

__all__ = [
    "MESSAGE_LIMIT",
    "REGION_NAMES",
    "SUBJECT_LIMIT",
    "Format",
    "Message",
    "alert_json",
    "attribute_bytes",
    "render",
    "subject_line",
]
