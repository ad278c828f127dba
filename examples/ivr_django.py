"""An IVR in Django: callers type the number of their order and hear where it is.

    pip install sinchvoice django gunicorn
    export SINCH_APPLICATION_KEY=… SINCH_APPLICATION_SECRET=… DJANGO_CACHE=/var/tmp/ivr
    gunicorn --workers 4 ivr_django:application

Give Sinch the URL of /sinch as the callback URL of the application. All of a project is in this
file; in a project of your own, take the view, `ORDERS` becomes a model, and the rest is there.
"""

import logging
import os

import django
from django.conf import settings
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from sinchvoice import Credentials
from sinchvoice.callbacks import (
    CallbackRefused,
    Callbacks,
    DisconnectedCall,
    Event,
    IncomingCall,
    MenuResult,
    PromptInput,
)
from sinchvoice.svaml import Answer, Hangup, Menu, RunMenu, Say, Svaml

FILES = "django.core.cache.backends.filebased.FileBasedCache"
settings.configure(
    ALLOWED_HOSTS=os.environ.get("DJANGO_HOSTS", "localhost,127.0.0.1").split(","),
    CACHES={"default": {"BACKEND": FILES, "LOCATION": os.environ["DJANGO_CACHE"]}},
    ROOT_URLCONF=__name__,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
)
django.setup()
log = logging.getLogger("django")

ORDERS = {"1001": "is on its way", "1002": "arrives on Monday"}


class SeenInCache:
    """The events of the last hour, for all workers."""

    def add(self, key: str) -> bool:
        return cache.add(f"sinch:{key}", 1, timeout=3600)  # False if it is there


callbacks = Callbacks(
    Credentials(os.environ["SINCH_APPLICATION_KEY"], os.environ["SINCH_APPLICATION_SECRET"]),
    seen=SeenInCache(),
)


def ask(*first: Answer | Say) -> Svaml:
    """Ask for four digits."""
    menu = Menu("main", main_prompt="#tts[Please enter your order number.]", max_digits=4)
    return Svaml(first, RunMenu([menu]))


def decide(event: Event) -> Svaml | None:
    """Say what happens next in a call; None where nothing has to."""
    match event:
        case IncomingCall():
            return ask(Answer(), Say("Welcome.", locale="en-US"))
        case PromptInput(menu_result=MenuResult(value=number)) if number in ORDERS:
            text = f"Your order {ORDERS[number]}. Goodbye."
        case PromptInput(menu_result=MenuResult(type="sequence")):
            return ask(Say("We have no such order.", locale="en-US"))
        case PromptInput():  # nothing was pressed
            text = "Goodbye."
        case DisconnectedCall(repeated=False):
            log.info("call %s: %s, %s s", event.call_id, event.result, event.duration)
            return None
        case _:
            return None
    return Svaml([Say(text, locale="en-US")], Hangup())


@csrf_exempt  # the signature says who asks
def sinch(request: HttpRequest) -> HttpResponse:
    try:
        event = callbacks.receive(
            method=request.method or "",
            path=request.get_full_path(),
            headers=request.headers,
            body=request.body,
        )
    except CallbackRefused as refused:  # not from Sinch, or not whole: the reason is logged
        return HttpResponse(status=refused.status_code)
    answer = event.answer(decide(event))
    return HttpResponse(answer.body, status=answer.status_code, headers=answer.headers)


urlpatterns = [path("sinch", sinch)]
application = get_wsgi_application()
