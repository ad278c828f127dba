"""A Celery task that calls each customer once: never twice, whatever fails, is retried or killed.

    pip install sinchvoice 'celery[redis]'
    export SINCH_APPLICATION_KEY=… SINCH_APPLICATION_SECRET=… CALLER=+12125550100
    export CELERY_BROKER_URL=redis://localhost CALLOUTS=callouts.sqlite
    celery --app callouts_celery worker

    remind.delay("order-7", "+12125550123", "Your table is ready.")

A row for each order says how far its call is. A worker claims the row before it calls, and gives it
back only if Sinch surely did nothing. What nobody knows stays `unknown` until a callback tells.
"""

import os
import sqlite3
from contextlib import closing

from celery import Celery, Task
from sinchvoice import (
    ApiConnectionError,
    ApiError,
    RateLimitError,
    ServerError,
    SinchVoiceError,
    VoiceClient,
)
from sinchvoice.callbacks import DisconnectedCall

app = Celery("callouts", broker=os.environ["CELERY_BROKER_URL"])
# Acknowledged when done: the task of a worker that was killed runs again. It finds its row claimed.
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)

CREATE = "CREATE TABLE IF NOT EXISTS callouts (id TEXT PRIMARY KEY, state TEXT, call_id TEXT)"


def change(statement: str, *values: str | None) -> int:
    """Change the table in a transaction of its own, and return how many rows it concerned."""
    with closing(sqlite3.connect(os.environ["CALLOUTS"], timeout=30)) as table, table:
        table.execute(CREATE)
        return table.execute(statement, values).rowcount


def claim(order: str) -> bool:
    """Claim an order for one call. False if it was called, is being called, or nobody knows."""
    return bool(
        change(
            "INSERT INTO callouts VALUES (?, 'unknown', NULL) "
            "ON CONFLICT (id) DO UPDATE SET state = 'unknown' WHERE state = 'open'",
            order,
        )
    )


def settle(order: str, state: str, call_id: str | None = None) -> None:
    """Note what became of a claimed order, unless a callback was faster."""
    change(
        "UPDATE callouts SET state = ?, call_id = ? WHERE id = ? AND state = 'unknown'",
        state,
        call_id,
        order,
    )


@app.task(bind=True, max_retries=5)
def remind(self: Task, order: str, number: str, text: str) -> str:
    """Call a customer, if that was not done before, and return the state of the order."""
    with VoiceClient.from_env() as voice:
        if not claim(order):
            return "claimed before"
        try:
            callout = voice.callouts.text_to_speech(
                number,
                cli=os.environ["CALLER"],
                text=text,
                locale="en-US",
                custom=order,
                enable_dice=True,  # the callback that `ended` takes
            )
        except ApiError as error:
            if error.may_have_executed:  # it may ring: calling again is worse than not calling
                return "unknown"
            settle(order, "open")
            if isinstance(error, ApiConnectionError | RateLimitError | ServerError):
                wait = error.retry_after if isinstance(error, RateLimitError) else None
                raise self.retry(exc=error, countdown=wait or 2**self.request.retries) from error
            raise  # wrong credentials and the like: a person has to look
        except SinchVoiceError:  # a wrong argument: nothing was sent
            settle(order, "open")
            raise
    settle(order, "called", callout.call_id)
    return "called"


def ended(event: DisconnectedCall) -> None:
    """Note how a call ended; to be called by the view that receives callbacks.

    It knows the order by `custom`, and so tells what became of an `unknown` one.
    """
    change(
        "UPDATE callouts SET state = ?, call_id = ? WHERE id = ?",
        f"ended: {event.result}",
        event.call_id,
        event.custom,
    )
