"""An AWS Lambda behind an API Gateway: the hotline rings by day, an announcement plays by night.

Deploy it with sinchvoice (attrs and httpx come along) and these variables:

    SINCH_APPLICATION_KEY, SINCH_APPLICATION_SECRET, HOTLINE=+12125550123

The handler is `ivr_lambda.handler`, for REST and HTTP APIs and for function URLs. Give Sinch the
URL of its route as the callback URL of the application.
"""

import os
from datetime import UTC, datetime
from typing import Any

from sinchvoice import Credentials
from sinchvoice.callbacks import AnsweredCall, CallbackRefused, Callbacks, Event, IncomingCall
from sinchvoice.svaml import ConnectPstn, Continue, Hangup, Say, Svaml

OPENS, CLOSES = 8, 18  # o'clock in UTC
callbacks = Callbacks(  # made once for each instance of the function
    Credentials(os.environ["SINCH_APPLICATION_KEY"], os.environ["SINCH_APPLICATION_SECRET"])
)


def decide(event: Event) -> Svaml | None:
    """Say what happens next in a call; None where nothing has to."""
    match event:
        case IncomingCall():
            called_at = event.timestamp or datetime.now(UTC)
            if OPENS <= called_at.hour < CLOSES:
                return Svaml(action=ConnectPstn(number=os.environ["HOTLINE"]))
            text = f"We are closed. Please call again after {OPENS} o'clock."
            return Svaml([Say(text, locale="en-US")], Hangup())
        case AnsweredCall():
            return Svaml(action=Continue())
    return None


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    try:
        received = callbacks.receive_lambda(event)
    except CallbackRefused as refused:  # not from Sinch, or not whole: the reason is logged
        return {"statusCode": refused.status_code}
    answer = received.answer(decide(received))
    return {
        "statusCode": answer.status_code,
        "headers": answer.headers,
        "body": answer.body.decode(),
    }
