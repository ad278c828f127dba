"""An IVR in FastAPI: greet, offer a menu, pass the call on to sales or record a message.

    pip install sinchvoice fastapi uvicorn
    export SINCH_APPLICATION_KEY=… SINCH_APPLICATION_SECRET=… SALES=+12125550123
    uvicorn ivr_fastapi:app

Give Sinch the URL of /sinch as the callback URL of the application.
"""

import logging
import os

from fastapi import FastAPI, Request, Response
from sinchvoice import Credentials
from sinchvoice.callbacks import (
    AnsweredCall,
    CallbackRefused,
    Callbacks,
    DisconnectedCall,
    Event,
    IncomingCall,
    MenuResult,
    PromptInput,
    RecentlySeen,
)
from sinchvoice.svaml import (
    Answer,
    ConnectPstn,
    Continue,
    Hangup,
    Instruction,
    Menu,
    MenuOption,
    RunMenu,
    Say,
    StartRecording,
    Svaml,
)

log = logging.getLogger("uvicorn.error")  # where uvicorn's own lines go
callbacks = Callbacks(
    Credentials(os.environ["SINCH_APPLICATION_KEY"], os.environ["SINCH_APPLICATION_SECRET"]),
    seen=RecentlySeen(),  # of this process: ivr_django.py shares one among processes
)
app = FastAPI()


def say(text: str) -> Say:
    return Say(text, locale="en-US")


def main_menu(*first: Instruction) -> Svaml:
    """Ask what the caller wants; a key that leads nowhere, or silence, repeats it once."""
    options = [MenuOption("1", "return(sales)"), MenuOption("2", "return(message)")]
    prompt = "#tts[Press 1 for sales, or 2 to leave a message.]"
    menu = Menu("main", main_prompt=prompt, repeat_prompt=prompt, repeats=1, options=options)
    return Svaml(first, RunMenu([menu]))


def recording() -> Svaml:
    """Record until the caller presses a key or hangs up, a minute at most."""
    menu = Menu(
        "main",
        main_prompt="#tts[Please speak. Press 1 when you are done.]",
        timeout_mills=30_000,
        max_timeout_mills=60_000,
        options=[MenuOption("1", "return(done)")],
    )
    return Svaml([StartRecording()], RunMenu([menu]))


def decide(event: Event) -> Svaml | None:
    """Say what happens next in a call; None where nothing has to."""
    match event:
        case IncomingCall():
            return main_menu(Answer(), say("Welcome."))
        case PromptInput(menu_result=MenuResult(value="sales")):
            return Svaml([say("One moment, please.")], ConnectPstn(number=os.environ["SALES"]))
        case PromptInput(menu_result=MenuResult(value="message")):
            return recording()
        case PromptInput():  # the message is recorded, or nothing useful was pressed
            return Svaml([say("Goodbye.")], Hangup())
        case AnsweredCall():  # sales picked up
            return Svaml(action=Continue())
        case DisconnectedCall(repeated=False):  # Sinch may deliver it twice: log it once
            log.info("call %s: %s, %s s", event.call_id, event.result, event.duration)
    return None


@app.post("/sinch")
async def sinch(request: Request) -> Response:
    try:
        event = await callbacks.receive_asgi(request.scope, request.receive)
    except CallbackRefused as refused:  # not from Sinch, or not whole: the reason is logged
        return Response(status_code=refused.status_code)
    answer = event.answer(decide(event))
    return Response(answer.body, answer.status_code, answer.headers)
